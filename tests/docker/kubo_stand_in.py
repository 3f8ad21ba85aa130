"""A content store for containers where no image of Kubo is to be had: the fake of the ports' tests, which keeps its
blocks in a folder, so that it can be killed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import uvicorn

from protocol.content.cid import Cid
from tests.ports.kubo_fake import KuboFake

_LINK = re.compile(rb"\x12.\x0a\x24\x01([\x55\x70])\x12\x20(.{32})", re.DOTALL)


class KeptBlocks(dict[bytes, bytes]):
    """By digest, and each in a file of its name."""

    def __init__(self, folder: Path) -> None:
        super().__init__({bytes.fromhex(file.name): file.read_bytes() for file in folder.glob("[0-9a-f]" * 64)})
        self._folder = folder

    def setdefault(self, digest: bytes, data: bytes = b"") -> bytes:
        if digest not in self:
            unfinished = self._folder / f"{digest.hex()}.part"
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self._folder / digest.hex())
            self[digest] = data
        return self[digest]


class Children(dict[bytes, list[Cid]]):
    """Of a node of a tree, from its bytes."""

    def __init__(self, blocks: KeptBlocks) -> None:
        super().__init__()
        self._blocks = blocks

    def __missing__(self, digest: bytes) -> list[Cid]:
        links = _LINK.findall(self._blocks[digest])
        self[digest] = [Cid("raw" if kind == b"\x55" else "dag-pb", child) for kind, child in links]
        return self[digest]


def main(folder: Path, port: int) -> None:
    fake = KuboFake()
    fake.blocks = blocks = KeptBlocks(folder)
    fake.children = Children(blocks)
    uvicorn.run(fake._application(), host="0.0.0.0", port=port, log_level="warning")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
