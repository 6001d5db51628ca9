"""What the page of a violation and that of a walk have in common: buttons, the list of keys, the legend."""

from __future__ import annotations

from collections.abc import Sequence

from lastput.report.html.page import escape


def sign_buttons(attribute: str, buttons: Sequence[tuple[str, str, str]]) -> str:
    """Buttons with a sign in place of a word: the value of `attribute`, the sign, and what it does."""
    return "".join(
        f'<button type="button" {attribute}="{value}" aria-label="{told}" title="{told}">{sign}</button>'
        for value, sign, told in buttons
    )


def keys(rows: Sequence[tuple[str, str]]) -> str:
    """The items of a list: keys with blanks between them (but `1 to 9` stays whole), and what they do."""
    return "".join(
        f"<dt>{' '.join(f'<kbd>{escape(key)}</kbd>' for key in _each(names))}</dt><dd>{told}</dd>"
        for names, told in rows
    )


def _each(names: str) -> list[str]:
    return [names] if " to " in names else names.split()


def legend() -> str:
    """The signs in a picture of memory."""
    signs = (("✎", "written"), ("◉", "read"), ("⚠", "touched after free"), ("→", "points to"))
    items = "".join(f"<li><span aria-hidden='true'>{sign}</span> {word}</li>" for sign, word in signs)
    return f'<ul class="legend">{items}</ul>'
