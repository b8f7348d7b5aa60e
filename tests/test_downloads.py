"""Downloads against a server on this machine: whole, interrupted, redirected, wrong."""

import hashlib
import http.server
import threading

import pytest

from keras_cnns import _downloads

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; /hub redirects to it with its digest, /plain knows no ranges."""

    requests = []

    def do_GET(self):
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.requests.append((self.path, start))
        if self.path == "/hub":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.send_header("X-Linked-ETag", f'"{SHA256}"')
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        if start >= len(CONTENT):
            self.send_error(416)
            return
        start = 0 if self.path == "/plain" else start
        self.send_response(206 if start else 200)
        if self.path != "/unknown_length":
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = start + 1_000_000 if self.path == "/breaks" else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_):
        """Keeps the test's output quiet."""


@pytest.fixture
def server():
    _Handler.requests.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "checksum"),
    [
        ("/file", f"sha256:{SHA256}"),
        ("/file", f"sha256:{SHA256[:8]}"),
        ("/file", f"md5:{hashlib.md5(CONTENT).hexdigest()}"),
        ("/hub", "etag"),
        ("/unknown_length", f"sha256:{SHA256}"),
    ],
)
def test_atomic_file_is_kept_and_asked_for_once(path, checksum, server, tmp_path):
    first = _downloads.fetch(server + path, checksum, str(tmp_path))
    asked = len(_Handler.requests)
    assert first == _downloads.fetch(server + path, checksum, str(tmp_path))
    assert len(_Handler.requests) == asked
    with open(first, "rb") as file:
        assert file.read() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_interrupted_download_is_gone_on_with(server, tmp_path):
    url = f"{server}/breaks"
    for attempt in range(1, 6):
        with pytest.raises(OSError, match=f"broke off after {attempt}000000 bytes"):
            _downloads.fetch(url, f"sha256:{SHA256}", str(tmp_path))
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    whole = _downloads.fetch(url, f"sha256:{SHA256}", str(tmp_path))
    assert [start for _, start in _Handler.requests] == [
        1_000_000 * i for i in range(6)
    ]
    with open(whole, "rb") as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize("length", [1000, len(CONTENT)])
def test_server_without_ranges_and_a_part_that_is_whole(length, server, tmp_path):
    url = f"{server}/plain"
    name = url.removeprefix("http://").replace("/", "--")
    (tmp_path / f"{name}.part").write_bytes(CONTENT[:length])
    path = _downloads.fetch(url, f"sha256:{SHA256}", str(tmp_path))
    with open(path, "rb") as file:
        assert file.read() == CONTENT


def test_two_that_want_the_same_file_fetch_it_once(server, tmp_path):
    results = []
    arguments = (f"{server}/file", f"sha256:{SHA256}", str(tmp_path))
    threads = [
        threading.Thread(target=lambda: results.append(_downloads.fetch(*arguments)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1 and len(results) == 4
    assert len(_Handler.requests) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("checksum", ["sha256:00000000", "etag"])
def test_another_file_is_refused_and_not_kept(checksum, server, tmp_path):
    with pytest.raises(OSError, match="not the file that was meant.*nothing was kept"):
        _downloads.fetch(f"{server}/file", checksum, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_failure_names_the_address_and_what_to_do(server, tmp_path):
    for url in (f"{server}/missing", "http://127.0.0.1:9/nothing"):
        with pytest.raises(OSError, match=f"could not download {url}.*weights="):
            _downloads.fetch(url, "etag", str(tmp_path))
