"""The files that pages load: in memory since the start, named by their content, so a browser asks for each once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
PACKED: Final = (".css", ".js", ".json", ".svg", ".txt", ".webmanifest")  # what gzip makes smaller
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"  # kept, and used when it is still the same


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    kind: str
    packed: bytes | None  # by gzip
    digest: str = field(default="")

    def answer(self, request: Request, caching: str) -> Response:
        """The file, packed where the browser takes that; 304 when it has it already."""
        headers = {"cache-control": caching, "etag": f'"{self.digest}"', "vary": "accept-encoding"}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if self.packed is None or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.content, media_type=self.kind, headers=headers)
        return Response(self.packed, media_type=self.kind, headers={**headers, "content-encoding": "gzip"})


class Assets:
    """Of all files in some folders, a later folder's counts; no request ever reaches the disk."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._by_name: dict[str, Asset] = {}
        for folder in folders:
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.suffix in KINDS:
                    self._by_name[path.name] = _asset(path.read_bytes(), path.suffix)
        self._by_url = {self.url(name): asset for name, asset in self._by_name.items()}

    def __getitem__(self, name: str) -> Asset:
        """Raises KeyError."""
        return self._by_name[name]

    def url(self, name: str) -> str:
        """Below the folder of assets: ``pages.3f2a9c1d0b5e.js``. Raises KeyError for a file that is not there."""
        stem, _, suffix = name.rpartition(".")
        return f"{stem}.{self._by_name[name].digest[:12]}.{suffix}"

    def answer(self, request: Request, path: str) -> Response:
        """By the name with or without the digest."""
        if path in self._by_url:
            return self._by_url[path].answer(request, FOR_EVER)
        if path in self._by_name:
            return self._by_name[path].answer(request, ASK_AGAIN)
        return Response("not found\n", 404, media_type="text/plain")

    def sizes(self) -> Mapping[str, int]:
        """Bytes on the wire, by name."""
        return {name: len(asset.packed or asset.content) for name, asset in self._by_name.items()}


def _asset(content: bytes, suffix: str) -> Asset:
    packed = gzip.compress(content, 9, mtime=0) if suffix in PACKED else None
    return Asset(content, KINDS[suffix], packed, hashlib.sha256(content).hexdigest())
