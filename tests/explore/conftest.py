"""Walks of small models, and a server of one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lastput.explore.nearest import Model
from lastput.explore.server import Server
from lastput.explore.view import View
from lastput.explore.walk import Walk
from lastput.report.html.explore import explore_page

DEVICE = "examples/refcounted_device.py"


@pytest.fixture
def walk() -> Iterator[Walk]:
    """A walk through the broken device."""
    found = Walk(Model(DEVICE, "broken", ()))
    yield found
    found.close()


@pytest.fixture
def server(walk: Walk) -> Iterator[Server]:
    """The page of that walk, served."""
    with Server(walk, explore_page(View(walk).fixed(), walk.scenario.title)) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()
