"""The page of a walk, served to one user of this machine.

What a page of somebody else's could do to a server on the same machine is what this file is about. Every
request must have the token in its path, which only the address that was printed has; a Host that is ours,
or a name of the attacker's could be made to lead here (DNS rebinding); and if it says where it comes from,
it must come from our own page. Actions are POSTs of JSON, which no other origin may send without asking
first, and nothing here answers that question.
"""

from __future__ import annotations

import hmac
import http.server
import json
import secrets
import sys
import threading
import traceback
from http import HTTPStatus
from typing import Any

from lastput.explore.view import View
from lastput.explore.walk import Walk
from lastput.lang.errors import LastputError, UsageError
from lastput.report.saved import text

LONGEST = 1 << 16
"""Bytes of an action."""

PATIENCE = 10
"""Seconds that a client may take to send a request."""

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


class Server(http.server.ThreadingHTTPServer):
    """Serves `walk` on the loopback address; `page` is its document. Port 0: any that is free."""

    daemon_threads = True

    def __init__(self, walk: Walk, page: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.walk = walk
        self.view = View(walk)
        self.page = page
        self.token = secrets.token_urlsafe(24)
        self.lock = threading.Lock()
        """One action at a time."""
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def address(self) -> str:
        """Where the page is; it holds the token."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away before the answer is no error of ours."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def act(self, action: dict[str, Any]) -> dict[str, Any]:
        """Do what the page asks for; what there is to see then, with `error` if it could not be done."""
        with self.lock:
            error = ""
            try:
                if action["do"] == "save":
                    return {"file": text(self.walk.saved())}
                _act(self.walk, action)
            except (KeyError, TypeError, ValueError):
                error = "the page and lastput do not understand each other: load the page again"
            except LastputError as mistake:
                error = " ".join(str(mistake).split())
            except Exception as bug:
                traceback.print_exc()
                error = f"an error in lastput itself, told where it was started: {bug}"
            return {**self.view.now(), "error": error}


def _act(walk: Walk, action: dict[str, Any]) -> None:
    """One action of the page's. KeyError, TypeError and ValueError for what is none."""
    match action["do"]:
        case "look":
            walk.look()
        case "take":
            walk.take(_number(action["thread"]), _number(action["choice"]))
        case "goto":
            walk.goto(_number(action["number"]))
        case "by":
            walk.by(_number(action["steps"]))
        case "moment":
            walk.moment(tuple(kind for kind in action["kinds"] if kind in ("free", "lock", "branch")))
        case "violation":
            walk.find(None)
        case "find":
            walk.find(_words(action["expression"]))
        case "cancel":
            walk.give_up()
        case _:
            raise ValueError


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    if not value.strip():
        raise UsageError("type an expression first, as kvm.users_count == 0")
    return value


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE

    def do_GET(self) -> None:
        """The page."""
        if self._is_allowed(""):
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page.encode())

    def do_POST(self) -> None:
        """An action."""
        if not self._is_allowed("act") or not self._is_ours():
            return
        body = self._body()
        if body is None:
            return
        try:
            action = json.loads(body)
        except (ValueError, RecursionError):
            action = None
        if not isinstance(action, dict) or "do" not in action:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        answer = json.dumps(self.server.act(action)).encode()
        self._send(HTTPStatus.OK, "application/json", answer)

    # -- who may ----------------------------------------------------------------------------------

    def _is_allowed(self, name: str) -> bool:
        """Whether the request is for us, by somebody who has the address; answered, if it is not."""
        expected = f"/{self.server.token}/{name}".encode()
        if self.headers.get("Host", "") not in self.server.hosts:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif not hmac.compare_digest(self.path.encode("utf-8", "replace"), expected):
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            return True
        return False

    def _is_ours(self) -> bool:
        """Whether an action comes from our page; answered, if it does not."""
        if self.headers.get("Origin") != f"http://{self.headers.get('Host')}":
            self._refuse(HTTPStatus.FORBIDDEN)
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        else:
            return True
        return False

    def _body(self) -> bytes | None:
        """What was sent; None, and answered, if that is too much or of unknown length."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif len(length) > 9 or int(length) > LONGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            return self.rfile.read(int(length))
        return None

    # -- answers ----------------------------------------------------------------------------------

    def _refuse(self, status: HTTPStatus) -> None:
        """Say no, and nothing about what is here."""
        self.close_connection = True
        self._send(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server itself refuses, methods that are not known among it, in the same way."""
        self._refuse(HTTPStatus(code))

    def version_string(self) -> str:
        """Nothing about Python."""
        return "lastput"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the user's."""
