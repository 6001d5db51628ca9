"""A result as a notebook shows it: its page in a frame of its own, and the text where there are no frames.

The frame is sandboxed: it runs the page's scripts, and reaches neither the notebook nor the network.
"""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import replace

from lastput.report.text import report
from lastput.result import Result


def markup(result: Result) -> str:
    """The result's page as HTML that can stand in any document."""
    from lastput.report.html.result import results_page

    page = html.escape(results_page([_pictured(result)]), quote=True)
    title = html.escape(f"{result.scenario}, variant {result.variant}: {result.verdict}", quote=True)
    height = "44em" if result.violation and result.violation.steps else "22em"
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" srcdoc="{page}" loading="lazy"'
        f' style="width: 100%; height: {height}; border: 1px solid #888; resize: vertical"></iframe>'
        f"<details><summary>{title} (as text)</summary><pre>{html.escape(report(result))}</pre></details>"
    )


def bundle(result: Result, include: Collection[str] = (), exclude: Collection[str] = ()) -> dict[str, str]:
    """What a front end may choose from, by media type: of `include` (all if empty), not of `exclude`."""
    makers = {"text/plain": report, "text/html": markup}
    wanted = [kind for kind in makers if (not include or kind in include) and kind not in exclude]
    return {kind: makers[kind](result) for kind in wanted}


def _pictured(result: Result) -> Result:
    """`result` with its scene, if its model is still here."""
    from lastput.evidence import remembered, scene

    violation = result.violation
    world = None if violation is None else remembered.world_of(violation)
    if violation is None or world is None or violation.scene is not None:
        return result
    return replace(result, violation=scene.pictured(world, violation))
