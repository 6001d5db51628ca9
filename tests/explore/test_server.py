"""The server of a walk: what it answers, and to whom it does not."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from lastput.explore.server import LONGEST, Server

JSON = "application/json"


class Answer:
    """Status, headers and body of a response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def ours(server: Server) -> dict[str, str]:
    return {"Origin": f"http://127.0.0.1:{server.server_port}", "Content-Type": JSON}


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
) -> Answer:
    """A request as a program would send it; a header of None is left out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        return Answer(connection.getresponse())
    finally:
        connection.close()


def act(server: Server, **action: Any) -> dict[str, Any]:
    answer = ask(server, "POST", f"/{server.token}/act", json.dumps(action).encode(), ours(server))
    assert answer.status == 200
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_the_page_and_an_action(server: Server) -> None:
    page = ask(server, "GET", f"/{server.token}/")
    assert page.status == 200
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert b"default-src 'none'" in page.body
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Access-Control-Allow-Origin"] is None
    seen = act(server, do="look")
    assert [option["thread"] for option in seen["options"]] == [0, 1]
    taken = act(server, do="take", thread=1, choice=0)
    assert [step["statement"] for step in taken["path"]] == ["spin_lock(table.lock)"]
    assert act(server, do="by", steps=-1)["path"] == []
    file = json.loads(act(server, do="save")["file"])
    assert (file["kind"], file["schedule"]) == ("", [])


def test_it_listens_to_this_machine_only(server: Server) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert len(server.token) >= 32


def test_without_the_token_there_is_nothing(server: Server) -> None:
    wrong = server.token[:-1] + ("A" if server.token[-1] != "A" else "B")
    for path in ("/", "/act", f"/{wrong}/", f"/{server.token}", f"/{server.token}/other", "//", "/é/"):
        sent = path.encode().decode("latin-1") if not path.isascii() else path
        assert raw(server, f"GET {sent} HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n") == 404
    answer = ask(server, "POST", f"/{wrong}/act", b'{"do": "take"}', ours(server))
    assert answer.status == 404
    assert server.token.encode() not in answer.body


def raw(server: Server, request: str) -> int:
    """The status that bytes on the wire are answered with."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as wire:
        wire.sendall(request.encode("latin-1"))
        return int(wire.recv(100).split()[1])


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:80", ""])
def test_another_name_that_leads_here_is_refused(server: Server, host: str) -> None:
    request = f"GET /{server.token}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"
    assert raw(server, request) == 421
    assert raw(server, f"GET /{server.token}/ HTTP/1.1\r\n\r\n") == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "", None])
def test_a_foreign_page_can_do_nothing(server: Server, origin: str | None) -> None:
    headers = ours(server)
    del headers["Origin"]
    if origin is not None:
        headers["Origin"] = origin.format(port=server.server_port)
    body = b'{"do": "take", "thread": 0, "choice": 0}'
    assert ask(server, "POST", f"/{server.token}/act", body, headers).status == 403
    assert act(server, do="look")["path"] == []
    # What a form can send without asking first.
    plain = {**ours(server), "Content-Type": "text/plain"}
    assert ask(server, "POST", f"/{server.token}/act", body, plain).status == 415
    preflight = ask(server, "OPTIONS", f"/{server.token}/act", None, {"Origin": "http://evil.example"})
    assert preflight.status == 501
    assert not any(name.lower().startswith("access-control") for name in preflight.headers)
    # A link or a frame of another site's.
    fetched = {"Sec-Fetch-Site": "cross-site"}
    assert ask(server, "GET", f"/{server.token}/", None, fetched).status == 403
    assert ask(server, "GET", f"/{server.token}/act").status == 404


def test_what_is_sent_may_be_anything(server: Server) -> None:
    where, headers = f"/{server.token}/act", ours(server)
    for body in (b"", b"{", b"[]", b"1", b'{"to": 1}', b"[" * 60_000, b"\xff\xfe"):
        assert ask(server, "POST", where, body, headers).status == 400
    assert ask(server, "POST", where, b"x" * (LONGEST + 1), headers).status == 413
    long = {**headers, "Content-Length": "9" * 40}
    assert ask(server, "POST", where, None, long).status == 413
    for length in ("-1", "1e3", "²"):
        request = f"POST {where} HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n"
        request += f"Origin: {headers['Origin']}\r\nContent-Type: {JSON}\r\nContent-Length: {length}\r\n\r\n"
        assert raw(server, request) == 411
    for action in (
        {"do": "burn"},
        {"do": "take"},
        {"do": "take", "thread": "0", "choice": 0},
        {"do": "take", "thread": True, "choice": 0},
        {"do": "goto", "number": None},
        {"do": "find", "expression": 5},
        {"do": "moment", "kinds": 3},
        {"do": ["take"]},
    ):
        assert "do not understand" in act(server, **action)["error"]
    for action, error in (
        ({"do": "take", "thread": 10**30, "choice": -1}, "there is no thread"),
        ({"do": "take", "thread": 0, "choice": -1}, "has no choice -1"),
        ({"do": "goto", "number": -1}, "there is no step -1"),
        ({"do": "find", "expression": " "}, "type an expression first"),
        ({"do": "find", "expression": "(" * 900}, "not an expression"),
        ({"do": "find", "expression": "1 + " * 500}, "at most 1,000 characters"),
    ):
        assert error in act(server, **action)["error"]
    assert act(server, do="look")["error"] == ""
