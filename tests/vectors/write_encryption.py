"""Writes ``tests/vectors/encryption/*.json``; with ``--check`` writes nothing and ends with 1 when a file is another.

python -m tests.vectors.write_encryption [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.vectors import fe64_vectors, pad_vectors, screening_vectors, voucher_vectors

FOLDER = Path(__file__).parent / "encryption"


def files() -> Iterator[tuple[Path, str]]:
    for name, content in (
        ("pad", pad_vectors.good()),
        ("pad_broken", pad_vectors.broken()),
        ("fe64", fe64_vectors.good()),
        ("fe64_broken", fe64_vectors.broken()),
        ("screening", screening_vectors.good()),
        ("screening_broken", screening_vectors.broken()),
        ("vouchers", voucher_vectors.good()),
        ("vouchers_broken", voucher_vectors.broken()),
    ):
        yield FOLDER / f"{name}.json", json.dumps(content, indent=1) + "\n"


def main(check: bool) -> int:
    stale = [path for path, text in files() if not path.exists() or path.read_text() != text]
    if check:
        for path in stale:
            print(f"{path.name} is not what the script writes")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in files():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
