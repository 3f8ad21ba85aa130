"""What the pages take from npm, copied into the source tree: ``python -m scripts.checks.vendor [--check]``.

A page loads nothing from another host, and the wheel needs no Node: so the files are committed, with the package,
version, licence and SHA-256 of each in ``storage/pages/vendored.json``. ``--check`` compares without writing.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Final

from scripts.checks.node_tools import CONTRACTS, NODE_MODULES, ensure_packages

PAGES: Final = Path(__file__).resolve().parents[2] / "storage" / "pages"
RECORD: Final = PAGES / "vendored.json"
FOLDER: Final = PAGES / "vendor"
# by package: files of it by the name that they get here
FILES: Final = {
    "htmx.org": {
        "htmx.min.js": "dist/htmx.min.js",
        "hx-sse.min.js": "dist/ext/hx-sse.min.js",
        "htmx.LICENSE.txt": "LICENSE",
    },
    "uplot": {
        "uPlot.iife.min.js": "dist/uPlot.iife.min.js",
        "uPlot.min.css": "dist/uPlot.min.css",
        "uPlot.LICENSE.txt": "LICENSE",
    },
    "swagger-ui-dist": {
        "swagger-ui-bundle.js": "swagger-ui-bundle.js",
        "swagger-ui.css": "swagger-ui.css",
        "swagger-ui.LICENSE.txt": "LICENSE",
        "swagger-ui.NOTICE.txt": "NOTICE",
        "swagger-ui-bundle.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
    },
}


def vendored(modules: Path) -> dict[str, bytes]:
    """The files by name, as they belong into the folder, and ``vendored.json`` beside them."""
    files: dict[str, bytes] = {}
    record: list[dict[str, str | int]] = []
    for package, names in FILES.items():
        described = json.loads((modules / package / "package.json").read_bytes())
        for name, path in names.items():
            content = (modules / package / path).read_bytes()
            files[name] = content
            record.append(
                {
                    "file": name,
                    "package": package,
                    "path": path,
                    "version": described["version"],
                    "license": described["license"],
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            )
    return {**files, RECORD.name: (json.dumps(record, indent=1) + "\n").encode()}


def _are_there(modules: Path) -> bool:
    """The packages, in the versions that ``contracts/package.json`` pins."""
    pinned = json.loads((CONTRACTS / "package.json").read_bytes())["devDependencies"]
    places = {package: modules / package / "package.json" for package in FILES}
    return all(
        place.is_file() and json.loads(place.read_bytes())["version"] == pinned[package]
        for package, place in places.items()
    )


def main() -> None:
    if not _are_there(NODE_MODULES):
        ensure_packages()
    found = vendored(NODE_MODULES)
    places = {RECORD.name: RECORD, **{name: FOLDER / name for name in found if name != RECORD.name}}
    if "--check" in sys.argv[1:]:
        extra = {path.name for path in FOLDER.iterdir()} - places.keys()
        wrong = [name for name, place in places.items() if not place.is_file() or place.read_bytes() != found[name]]
        if extra or wrong:
            raise SystemExit(f"not as the locked packages have them: {', '.join(sorted({*extra, *wrong}))}")
        return
    FOLDER.mkdir(exist_ok=True)
    for name, place in places.items():
        place.write_bytes(found[name])


if __name__ == "__main__":
    main()
