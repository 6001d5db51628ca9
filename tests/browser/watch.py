"""What a page does that it must not: errors on the console, exceptions, requests to elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Route, WebSocket

LOOPBACK = ("127.0.0.1", "localhost", "::1")
INLINE = ("data", "blob", "about")


class Watch:
    """Collects the `problems` of all pages of `context`, in words. Requests to elsewhere are not let out."""

    def __init__(self, context: BrowserContext) -> None:
        self.problems: list[str] = []
        self._own: set[str] = set()
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"exception: {error.error}"))
        context.on("page", lambda page: page.on("websocket", self._socket))
        context.route("**/*", self._request)

    def opens(self, url: str) -> None:
        """What is at `url` may be requested: this one file, or all of its origin on the loopback."""
        self._own.add(_origin(url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _request(self, route: Route, request: Request) -> None:
        if self._allowed(request.url):
            route.continue_()
        else:
            self.problems.append(f"request: {request.method} {request.url}")
            route.abort()

    def _socket(self, socket: WebSocket) -> None:
        if not self._allowed(socket.url):
            self.problems.append(f"socket: {socket.url}")

    def _allowed(self, url: str) -> bool:
        return urlsplit(url).scheme in INLINE or _origin(url) in self._own


def _origin(url: str) -> str:
    """What one page may ask for: the file itself, or `host:port` of a server on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return parts.path
    return parts.netloc if parts.hostname in LOOPBACK else f"elsewhere: {url}"
