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
    from lastput.hunter import hunt as hunt
    from lastput.lang.scenario import Scenario as Scenario
    from lastput.lang.scenario import Setup as Setup
    from lastput.lang.scenario import scenario as scenario
    from lastput.plan import Plan as Plan
    from lastput.result import Result as Result
    from lastput.testing import assert_holds as assert_holds
    from lastput.testing import assert_reachable as assert_reachable
    from lastput.testing import assert_violates as assert_violates

__version__ = "0.1.0"
__all__ = [
    "Plan", "Result", "Scenario", "Setup", "__version__", "assert_holds", "assert_reachable",
    "assert_violates", "check", "hunt", "scenario",
]  # fmt: skip

_HOMES = {
    "check": "lastput.checker",
    "hunt": "lastput.hunter",
    "Plan": "lastput.plan",
    "Result": "lastput.result",
    **dict.fromkeys(("Scenario", "Setup", "scenario"), "lastput.lang.scenario"),
    **dict.fromkeys(("assert_holds", "assert_reachable", "assert_violates"), "lastput.testing"),
}


def __getattr__(name: str) -> object:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
