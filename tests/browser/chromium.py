"""Where Chromium is, and how it is started: a Debian package, never a download of Playwright's own."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get install --no-install-recommends chromium"
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""A browser that asks nobody for anything by itself: what is requested, the page requests."""


def installed() -> str | None:
    """Path of the first of `NAMES` that is installed; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
