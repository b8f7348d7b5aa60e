"""Who is let in."""

import asyncio
import http.client
import urllib.parse

import pytest

from keras_cnns.studio.guard import Guard, new_token

TOKEN = "a-right-token"


async def _page(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


def _ask(token="", host="127.0.0.1:7860", query="", **headers):
    """(status, headers by name, body) of a request."""
    messages = []

    async def send(message):
        messages.append(message)

    given = {"host": host, **headers}
    scope = {
        "type": "http",
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
    }
    asyncio.run(Guard(_page, token)(scope, None, send))
    start, body = messages
    answered = {k.decode(): v.decode() for k, v in start["headers"]}
    return start["status"], answered, body["body"]


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:7860"])
def test_this_machine_is_let_in_without_a_token(host):
    status, headers, body = _ask(host=host)
    assert (status, body) == (200, b"page")
    assert "default-src 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"host": "evil.example"}, "not at evil.example"),
        ({"host": "127.0.0.1.evil.example:80"}, "not at"),
        ({"host": "[::1"}, "not at"),
        ({"origin": "http://evil.example"}, "may not use"),
        ({"origin": "http://127.0.0.1:9"}, "may not use"),
        ({"origin": "null"}, "may not use"),
        ({"token": TOKEN}, "needs the token"),
        ({"token": TOKEN, "query": "token=another-token"}, "needs the token"),
        ({"token": TOKEN, "query": "token="}, "needs the token"),
        ({"token": TOKEN, "query": "token=%C3%A4"}, "needs the token"),
        ({"token": TOKEN, "cookie": "studio_token=another"}, "needs the token"),
        ({"token": TOKEN, "cookie": "studio_token"}, "needs the token"),
        ({"token": TOKEN, "origin": "http://evil.example",
          "cookie": f"studio_token={TOKEN}"}, "may not use"),
    ],
)  # fmt: skip
def test_others_are_refused_in_one_line(request_, reason):
    status, headers, body = _ask(**request_)
    assert status == http.client.FORBIDDEN
    assert reason in body.decode()
    assert body.count(b"\n") == 1
    assert headers["content-type"].startswith("text/plain")


def test_the_token_of_the_address_becomes_a_cookie():
    status, headers, _ = _ask(TOKEN, "far.example:7860", f"token={TOKEN}")
    assert (status, headers["location"]) == (http.client.SEE_OTHER, "/")
    cookie, *traits = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(traits)
    status, _, body = _ask(TOKEN, "far.example:7860", cookie=cookie)
    assert (status, body) == (200, b"page")


def test_tokens_differ_and_fit_into_an_address():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 32 for token in tokens)
    assert all(urllib.parse.quote(token, safe="") == token for token in tokens)
