"""The frame of every page: nothing from outside, nothing that runs but what is meant to."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

from lastput.report.html.page import badge, escape, page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u2028"


class Found(HTMLParser):
    """The texts of a page's elements, as a browser tells them apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open, []).append(data)


def made(data: Any = None) -> str:
    return page(EVIL, f"<p>{escape(EVIL)}</p>", data=data, scripts=("keys.js",), styles=("memory.css",))


def test_hostile_text_stays_text() -> None:
    found = Found(made({"name": EVIL}))
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert [attributes.get("type") for tag, attributes in found.tags if tag == "script"] == [
        "application/json",
        None,
        None,
    ]
    assert found.texts["p"] == [EVIL]
    assert EVIL in found.texts["title"][0]
    assert json.loads(found.texts["script"][0]) == {"name": EVIL}


def test_the_policy_allows_the_pages_own_style_and_scripts_only() -> None:
    text = made()
    policy = next(a["content"] or "" for t, a in Found(text).tags if "Content-Security-Policy" in a.values())
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "connect-src" not in rules
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        inside = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(i.encode()).digest()).decode() for i in inside]
        assert rules[kind].split() == [f"'sha256-{digest}'" for digest in digests]
    assert "'unsafe-inline'" not in policy


def test_a_page_without_scripts_has_none() -> None:
    text = page("t", "<p>x</p>")
    assert "<script" not in text
    assert "script-src" not in text


def test_a_served_page_may_talk_to_where_it_came_from() -> None:
    assert "connect-src 'self'" in escape_undone(page("t", "", scripts=("keys.js",), connect=True))


def escape_undone(text: str) -> str:
    return text.replace("&#x27;", "'")


def test_a_verdict_is_told_by_sign_and_word() -> None:
    assert [text.strip() for text in Found(badge("holds")).texts["span"]] == ["✔"]
    assert "</span> holds</span>" in badge("holds")
    assert badge("<b>") == '<span class="badge other">&lt;b&gt;</span>'
