"""This machine: interpreter, packages, compiled loops, room on disk, folders, programs."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Verdict, examined, fail, ok, skipped, warn
from scripts.launcher import ROOT

OLDEST_PYTHON: Final = (3, 11)
LEAST_BYTES: Final = 100_000_000  # a task's state and content
FEW_BYTES: Final = 1_000_000_000
_LOCKED: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)( ;)?", re.MULTILINE)
_KERNELS: Final = (
    *(f"protocol/encryption/{name}" for name in ("fe64/kernels.py", "pad/kernels.py", "weighted_kernels.py")),
    *(f"protocol/model/{name}" for name in ("kernels.py", "gradient_kernels.py")),
    "client_agent/training/clipping_kernels.py",
)
_TOOLS: Final = {
    "node": "the tests of the contracts and --chain anvil",
    "anvil": "--chain anvil and hearth testnet",
    "ipfs": "a store on IPFS from this machine",
}
_CUDA: Final = "nvidia-cuda-runtime"  # of every CUDA wheel
_SHOWN: Final = 5  # packages by name
_MAKE: Final = "run ./scripts/demo, which installs what the lock says"


def machine_findings(subject: Subject) -> Iterator[Finding]:
    for about, check, remedy in _CHECKS:
        yield examined(about, check, remedy)
    for folder in _disks(subject):
        yield examined("disk", partial(room, folder), "name a folder that can be read")
    for folder in subject.folders:
        yield examined("folder", partial(private, folder), "name a folder of this user")
    for name, use in _TOOLS.items():
        yield examined(name, partial(tool, name, use), "check PATH")


def python(found: tuple[int, ...] = sys.version_info[:3]) -> Verdict:
    said = ".".join(map(str, found))
    if found < OLDEST_PYTHON:
        return fail(said, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or later, and name it in PYTHON")
    return ok(f"{said} at {sys.executable}")


def packages(lock: Path = Path(ROOT) / "scripts" / "locks" / "run.txt") -> Verdict:
    """Against the hashed lock; what the lock wants on some machines only may be absent."""
    if not lock.is_file():
        return skipped("an installed package without its lock: pip check compares")
    wanted: dict[str, set[str]] = {}
    needed = set()
    for name, locked, conditional in _LOCKED.findall(lock.read_text()):
        wanted.setdefault(name, set()).add(locked.partition("+")[0])
        needed |= set() if conditional else {name}
    found = {name: _version(name) for name in wanted}
    absent = sorted(name for name in needed if found[name] is None)
    others = [f"{name} {own}" for name, own in found.items() if own and own.partition("+")[0] not in wanted[name]]
    if absent:
        return fail(f"missing: {_some(absent)}", _MAKE)
    if others:
        return warn(f"other versions than locked: {_some(others)}", _MAKE)
    return ok(f"{sum(own is not None for own in found.values())}, all as locked")


def torch() -> Verdict:
    found = _version("torch")
    if found is None:
        return fail("missing", _MAKE)
    if _version(_CUDA) is None:
        return ok(f"{found}, for the processor alone")
    return ok(f"{found} with its CUDA libraries, 4 GB that Hearth does not use: docs/network.md says how without")


def compiled(folder: Path = Path(ROOT)) -> Verdict:
    """Whether numba has kept machine code of every file of loops, beside it or where it may write."""
    xdg = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    elsewhere = [Path(place) for place in (os.environ.get("NUMBA_CACHE_DIR"), f"{xdg}/numba") if place]
    for name in _KERNELS:
        source = folder / name
        kept = list((source.parent / "__pycache__").glob(f"{source.stem}.*.nbi"))
        kept += [index for place in elsewhere for index in place.rglob(f"{source.stem}.*.nbi")]
        if not any(index.stat().st_mtime >= source.stat().st_mtime for index in kept):
            return warn(f"the loops of {name} are not compiled", "run hearth prepare; else the first role takes longer")
    return ok("the loops of encryption and training")


def room(folder: Path) -> Verdict:
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB free for {folder}"
    if free < LEAST_BYTES:
        return fail(said, "make room: a role that cannot write its journal stops")
    return warn(said, "make room: content and journals grow with every round") if free < FEW_BYTES else ok(said)


def private(folder: Path) -> Verdict:
    """Of a role: keys and journals lie there."""
    if not folder.exists():
        return skipped(f"{folder} is not there yet; its role makes it")
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        return fail(f"{folder} is no folder", "name another")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return fail(f"{folder} cannot be read and written by this user", "chown it to the user that the role runs as")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn(f"{folder} is open to other users ({stat.S_IMODE(found.st_mode):o})", f"chmod 700 {folder}")
    return ok(f"{folder} is this user's alone")


def tool(name: str, use: str) -> Verdict:
    """Optional: its absence is no fault."""
    places = {"ipfs": os.environ.get("HEARTH_IPFS"), "anvil": f"{ROOT}/contracts/node_modules/.bin/anvil"}
    found = shutil.which(places.get(name) or name) or shutil.which(name)
    return ok(found) if found else skipped(f"not on PATH; only {use} would need it")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _disks(subject: Subject) -> list[Path]:
    """One folder for each file system."""
    wanted = [Path(tempfile.gettempdir()), Path(os.path.expanduser("~")), *subject.folders]
    wanted += [subject.store_folder] if subject.store_folder else []
    there = [next(place for place in (one, *one.absolute().parents) if os.path.exists(place)) for one in wanted]
    return list({place.stat().st_dev: place for place in reversed(there)}.values())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


_CHECKS: Final[tuple[tuple[str, Callable[[], Verdict], str], ...]] = (
    ("python", python, "install Python anew"),
    ("packages", packages, _MAKE),
    ("torch", torch, _MAKE),
    ("compiled", compiled, "run hearth prepare"),
)
