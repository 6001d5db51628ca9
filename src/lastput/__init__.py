"""lastput: run every interleaving of a kernel object's users; prove or show the oops.

    from lastput import check
    result = check(my_scenario, "v4.12")
    assert result.holds

`import lastput` stays cheap: what it offers is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would take longer to import than all that is here
if TYPE_CHECKING:
    from lastput.checker import check as check
    from lastput.result import Result as Result

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "check"]

_HOMES = {"check": "lastput.checker", "Result": "lastput.result"}


def __getattr__(name: str) -> object:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
