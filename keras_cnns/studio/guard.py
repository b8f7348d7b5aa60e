"""Who may see the page: a token, the page's own origin, and nothing from outside."""

import hmac
import http.cookies
import secrets
import urllib.parse
from collections.abc import Callable

_COOKIE = "studio_token"
# The page's scripts are its own; what they would fetch elsewhere is not fetched.
_HEADERS = {
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: "
    "blob:; frame-ancestors 'none'; form-action 'self'; base-uri 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Guard:
    """ASGI application that lets through to another what is allowed.

    Without a token, only requests that name this machine's own loopback address are
    answered, so that no page of another site reaches it by a name of its own. Requests
    of other origins are refused with and without one.

    Args:
        app: the other application.
        token: that a visitor gives once in the address, ``/?token=…``, and has in a
            cookie from then on; empty: none is asked for.
    """

    def __init__(self, app: Callable, token: str = "") -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Answers a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1")
                   for key, value in scope["headers"]}  # fmt: skip
        host = headers.get("host", "")
        origin = headers.get("origin", "")
        given = urllib.parse.parse_qs(scope["query_string"].decode("latin-1"))
        if origin and urllib.parse.urlsplit(origin).netloc != host:
            await _refuse(send, f"a page of {origin[:200]} may not use the studio")
        elif not self._token and _name_of(host) not in _LOOPBACK:
            await _refuse(send, f"the studio is not at {host[:200]}")
        elif self._is_right(given.get("token", [""])[0]):
            await _let_in(send, self._token)
        elif self._token and not self._is_right(_cookie(headers)):
            await _refuse(send, "the address needs the token that the studio printed")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_right(self, token):
        is_given = bool(token) and bool(self._token)
        return is_given and hmac.compare_digest(token.encode(), self._token.encode())


def _name_of(host):
    """The machine's name in a Host header."""
    try:
        return urllib.parse.urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _cookie(headers):
    try:
        found = http.cookies.SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except http.cookies.CookieError:
        return ""
    return found.value if found else ""


def _with_headers(send):
    async def send_with_headers(message):
        if message["type"] == "http.response.start":
            ours = [(k.encode(), v.encode()) for k, v in _HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *ours]}
        await send(message)

    return send_with_headers


async def _let_in(send, token):
    """Keeps the token in a cookie, and takes it out of the address."""
    cookie = f"{_COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
    await _answer(send, 303, headers, b"")


async def _refuse(send, text):
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await _answer(send, 403, headers, f"error: {text}\n".encode())


async def _answer(send, status, headers, body):
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    send = _with_headers(send)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
