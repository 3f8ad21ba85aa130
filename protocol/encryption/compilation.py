"""How loops become machine code: compiled once for a processor, then loaded from numba's cache.

numba names a cached kernel by the digest of the file it stands in, its types, the processor and numba's own version. So
everything that a kernel calls stands in the kernel's own file, and what it reads comes through its arguments. The cache
is beside the source where that can be written to, else in the user's cache directory; ``NUMBA_CACHE_DIR`` goes before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

Loop = Callable[..., Any]


def kernel(signature: str) -> Callable[[Loop], Loop]:
    """Compiles (or loads) at once, for these types alone; runs without the interpreter's lock."""

    def compiled(function: Loop) -> Loop:
        options = {"nogil": True, "error_model": "numpy"}
        try:
            loop: Loop = numba.njit(signature, cache=True, **options)(function)
        except RuntimeError:  # no directory can be written to
            loop = numba.njit(signature, **options)(function)
        return loop

    return compiled


def inlined(function: Loop) -> Loop:
    """A part of kernels."""
    part: Loop = numba.njit(forceinline=True, error_model="numpy")(function)
    return part
