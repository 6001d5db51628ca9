"""The code blocks of a page of the documentation, and what each is for.

    ```python           more of the file that the comment `<!-- file: NAME -->` before it, or before an
                        earlier one, names; what is defined there already is replaced
    ```python run       a program
    ```console          commands behind `$ `, each with its output; `[...]` stands for any text
    ```text, ```c       a picture, or code of somebody else's: an illustration
    ```{code-cell}      part of a notebook, which building the site executes

Any other language is a file, and must be named. `<!-- not run: REASON -->` before a block exempts it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

COMMENT = re.compile(r"<!-- (file|not run): (.+?) -->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`file` is the name in the comment before it, `reason` why it is not run; both empty without one."""

    language: str
    run: bool
    text: str
    line: int
    file: str
    reason: str


def blocks(page: Path) -> list[Block]:
    """Every block of code on a page, be it fenced or indented (those have no language)."""
    found = []
    text = page.read_text("utf-8")
    tokens = MarkdownIt().parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("fence", "code_block"):
            words = token.info.split()
            comment = COMMENT.search(before.content) if before and before.type == "html_block" else None
            said = {comment[1]: comment[2]} if comment else {}
            found.append(
                Block(
                    language=words[0] if words else "",
                    run=words[1:] == ["run"],
                    text=token.content,
                    line=token.map[0] + 1 if token.map else 0,
                    file=said.get("file", ""),
                    reason=said.get("not run", ""),
                )
            )
    return found


def is_notebook(page: Path) -> bool:
    """Whether building the site executes the page's cells."""
    return page.read_text("utf-8").startswith("---\nfile_format: mystnb\n")


def trouble(block: Block, notebook: bool, named: bool) -> str:
    """Why nothing checks a block; empty if something does. `named`: an earlier block names a file."""
    match block.language:
        case _ if block.reason:
            return ""
        case "":
            return "a block without a language: mark an illustration as text"
        case "console" | "text" | "c":
            return ""
        case "{code-cell}":
            return "" if notebook else "a cell on a page that is no notebook"
        case "python" if block.run or named or block.file:
            return ""
        case language if block.file:
            return ""
        case language:
            return f"nothing checks this block of {language}: name its file, or say why it is not run"
