"""The documentation as a site: python -m sphinx -W -n --keep-going docs build/site

The pages are plain Markdown, so that they also read well where nothing builds them. What only the site needs
is here: the tree of its pages, and no markup in the pages themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

PAGES = {
    "Start": ["tutorial", "teach/lesson"],
    "How to": [
        "how-to/write-a-model",
        "how-to/read-a-counterexample",
        "how-to/is-it-needed",
        "how-to/walk-by-hand",
        "how-to/when-everything-is-too-much",
        "how-to/use-many-cores",
        "how-to/use-in-ci",
        "how-to/send-a-race",
        "how-to/capture-and-validate",
    ],
    "Races": ["gallery", "arguments"],
    "Explanation": [
        "explanation/how-it-works",
        "explanation/progress",
        "explanation/limits",
        "explanation/what-real-kernels-taught",
        "explanation/estimates",
        "explanation/hunting",
        "explanation/reductions",
        "explanation/speed",
        "explanation/scaling",
        "explanation/memory",
        "explanation/warts",
        "explanation/beem",
        "how-we-test",
    ],
    "Reference": ["reference/commands", "reference/language", "reference/kernel", "reference/*"],
    "The models": [
        "models/README",
        "models/linux",
        "models/memory",
        "models/notifiers",
        "models/kvm",
        "models/arm64",
        "models/other-architectures",
        "models/users",
        "models/seen",
    ],
}
"""The side bar: headings, and the pages below each."""

project = "lastput"
author = "the lastput authors"
html_title = "lastput"
html_theme = "furo"
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}
html_copy_source = html_show_sourcelink = html_show_copyright = html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
templates_path: list[str] = []
exclude_patterns = ["README.md"]
extensions = ["myst_nb", "gallery_pages"]
myst_heading_anchors = 3
highlight_language = "text"
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True


def add_tree(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the first page the tree of all others, which a forge would show as a block of code."""
    if docname == app.config.root_doc:
        for caption, pages in PAGES.items():
            lines = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{lines}\n```\n"


def outdated(app: Sphinx, *_: object) -> list[str]:
    """The first page is read each time: PAGES may have changed."""
    return [app.config.root_doc]


def level_captions(_app: Sphinx, _name: str, _template: str, context: dict[str, object], *_: object) -> None:
    """Give the headings of the side bar a level, without which screen readers do not know what they are."""
    tree = str(context.get("furo_navigation_tree", ""))
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_tree)
    app.connect("env-get-outdated", outdated)
    app.connect("html-page-context", level_captions, priority=900)  # after the theme
