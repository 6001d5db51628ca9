"""A scene as JSON for the scripts: memory.js says what each part means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lastput.result import Content, Moment, Scene, Thing


def thing_value(thing: Thing) -> dict[str, Any]:
    """What an object is made of, without what it holds."""
    cells = [[cell.path, cell.type, cell.kind] for cell in thing.cells]
    return {"name": thing.name, "struct": thing.struct, "cells": cells}


def content_value(content: Content) -> str | list[str | int]:
    """A cell's content: its text, with what it points to."""
    return content.text if content.target is None else [content.text, *content.target]


def contents_value(contents: Sequence[Content]) -> list[str | list[str | int]] | None:
    """The contents of an object's cells; None if it is not allocated."""
    return [content_value(content) for content in contents] or None


def moment_value(moment: Moment) -> dict[str, Any]:
    """What one step did to memory."""
    changes = [[change.thing, change.cell, content_value(change.content)] for change in moment.changes]
    value = {
        "changes": changes,
        "touched": [list(place) for place in moment.touched],
        "allocated": list(moment.allocated),
        "freed": list(moment.freed),
    }
    return {name: found for name, found in value.items() if found}


def scene_value(scene: Scene) -> dict[str, Any]:
    """Objects, how they begin, and what each step does to them."""
    return {
        "things": [thing_value(thing) for thing in scene.things],
        "start": [contents_value(thing.contents) for thing in scene.things],
        "moments": [moment_value(moment) for moment in scene.moments],
    }
