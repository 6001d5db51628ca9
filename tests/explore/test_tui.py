"""The walk in the terminal, with Textual's pilot, in 80 columns and 24 lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from lastput.explore.tui import Terminal
from lastput.explore.walk import Walk

Play = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture(autouse=True)
def real_standard_error() -> None:
    """Searches need it, before Textual takes it away: as in cli/explore.py."""
    resource_tracker.ensure_running()


def play(app: Terminal, script: Play) -> None:
    async def played() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            await script(pilot)

    asyncio.run(played())


def text(app: Terminal, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).render())


def lines(app: Terminal, name: str) -> list[str]:
    return [str(option.prompt) for option in app.query_one(f"#{name}", OptionList).options]


def test_steps_back_and_on_again(walk: Walk) -> None:
    app = Terminal(walk)

    async def script(pilot: Pilot[None]) -> None:
        assert lines(app, "steps") == [
            "● reader0 ready",
            " 1  spin_lock(table.lock)",
            "■ unplug ready",
            " 2  spin_lock(table.lock)",
        ]
        await pilot.press("2")
        assert walk.session.path == ((1, 0),)
        assert lines(app, "steps")[0].startswith("● reader0 blocked by unplug in spin_lock(table.lock)")
        assert lines(app, "path") == ["  0   the start", "  1 ■ spin_lock(table.lock)"]
        assert "lock.owner = free → unplug" in text(app, "memory_text")
        await pilot.press("left")
        assert (walk.session.path, walk.session.ahead) == ((), ((1, 0),))
        assert lines(app, "path")[-1].strip() == "1 more ahead: →"
        await pilot.press("j", "enter")
        assert walk.session.path == ((1, 0), (1, 0))
        await pilot.press("home")
        await pilot.press("7")
        assert walk.session.path == ()
        await pilot.press("f")
        assert text(app, "said").startswith("device is freed - ")
        assert "device freed now" in text(app, "memory_text")
        await pilot.press("s")
        assert text(app, "said") == "start with --save FILE to save"

    play(app, script)


def test_search_and_save(walk: Walk, tmp_path: Path) -> None:
    app = Terminal(walk, tmp_path / "path.json")

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("e")
        await pilot.press(*"body == 1", "home", *"no", "enter")
        assert text(app, "said").startswith("no object is called nobody: use one of device")
        await pilot.press("v")
        assert text(app, "said").startswith("Searching for a violation: ")
        for _ in range(600):
            await pilot.pause(0.1)
            if walk.finder.under_way is None:
                break
        await pilot.pause()
        assert text(app, "said").startswith("WARNING: CPU: 0 Comm: reader0 at ")
        assert lines(app, "steps")[0].startswith("● reader0 running, broke a rule in ")
        await pilot.press("s")
        assert json.loads((tmp_path / "path.json").read_text())["kind"] == "warning"
        await pilot.press("q")

    play(app, script)
