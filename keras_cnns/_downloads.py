"""Verified downloads with progress, resumed after an interruption."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request

from keras_cnns import _files, _progress

_CHUNK = 1 << 20
_TIMEOUT = 60  # seconds without a byte


def fetch(url: str, checksum: str, folder: str) -> str:
    """A verified local copy of a file.

    An interrupted download (``.part``) is resumed. The copy gets its final name only
    when it is complete and verified.

    Args:
        url: address.
        checksum: ``"md5:..."``, ``"sha256:..."`` (the first digits are enough), or
            ``"etag"``: the SHA-256 that a model hub sends with the file.
        folder: where copies are kept.

    Returns:
        Path of the copy.

    Raises:
        OSError: if the download fails, or the file has another checksum.
    """
    path = os.path.join(folder, url.split("://")[-1].replace("/", "--"))
    os.makedirs(folder, exist_ok=True)
    if os.path.isfile(path):
        return path
    with _files.locked(f"{path}.lock"):  # others wait instead of fetching it too
        if not os.path.isfile(path):
            _fetch(url, checksum, path)
    return path


def _fetch(url, checksum, path):
    partial = f"{path}.part"
    try:
        sent = _download(url, partial)
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            f"could not download {url}: {error}. Run it again to resume, or download "
            "it elsewhere and pass its path as weights=..."
        ) from error
    kind, _, wanted = checksum.partition(":")
    if kind == "etag":
        kind, wanted = "sha256", sent
    found = _digest(partial, kind)
    if not wanted or not found.startswith(wanted):
        os.remove(partial)
        raise OSError(
            f"{url} is not the file that was meant: {kind} is {found}, not "
            f"{wanted or 'known'}; nothing was kept"
        )
    os.replace(partial, path)


def _download(url, partial) -> str:
    """Appends the missing bytes to ``partial``; returns the hub's SHA-256, if sent."""
    start = os.path.getsize(partial) if os.path.exists(partial) else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"})
    redirections = _Redirections()
    opener = urllib.request.build_opener(redirections)
    try:
        response = opener.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing after the last byte: already complete
            raise
        return redirections.digest or _hub_digest(error.headers)
    with response:
        if response.status != 206:  # the server ignores ranges
            start = 0
        missing = int(response.headers.get("Content-Length", 0))
        total = start + missing if missing else None
        bar = _progress.bar(
            desc=os.path.basename(url), total=total, initial=start, always=True,
            unit="B", unit_scale=True, unit_divisor=1024,
        )  # fmt: skip
        with bar, open(partial, "wb", opener=_open_unlinked) as file:
            file.truncate(start)
            file.seek(start)
            while chunk := response.read(_CHUNK):
                bar.update(file.write(chunk))
        if missing and os.path.getsize(partial) < start + missing:
            raise OSError(f"it broke off after {os.path.getsize(partial)} bytes")
        return redirections.digest or _hub_digest(response.headers)


def _open_unlinked(path, _):
    """Opens a file to write into; a link in its place is refused."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows redirections and keeps the digest that a hub sends with the first."""

    digest = ""

    def redirect_request(self, request, file, code, message, headers, url):
        self.digest = self.digest or _hub_digest(headers)
        return super().redirect_request(request, file, code, message, headers, url)


def _hub_digest(headers) -> str:
    """The SHA-256 in a response's headers; empty where there is none."""
    digest = headers.get("X-Linked-ETag", "").strip('"')
    return digest if len(digest) == 64 else ""


def _digest(path, kind):
    digest = hashlib.new(kind)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
