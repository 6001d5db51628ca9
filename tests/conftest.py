"""Two lengths of run: the short one is for every change, `--long` for the thorough one."""

from __future__ import annotations

import signal

import pytest

from lastput.host import collect_seldom


def pytest_configure() -> None:
    """Have Ctrl-C do what it does in a terminal: a shell starts background jobs with it ignored.

    And save time, as the command line does.
    """
    collect_seldom()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the slow suites too, and more random programs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether this is the thorough run."""
    return bool(request.config.getoption("--long"))
