"""How loops become machine code: compiled once for a processor, then loaded from numba's cache.

numba names a cached kernel by the digest of the file it stands in, its types, the processor and numba's own version. So
everything that a kernel calls stands in the kernel's own file, and what it reads comes through its arguments. The cache
is beside the source where that can be written to, else in the user's cache directory (or ``NUMBA_CACHE_DIR``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(signature: str) -> Callable[[F], F]:
    """Compiles (or loads) at once, for these types alone; runs without the interpreter's lock."""
    return lambda function: _jit(function, signature)


def _jit(function: F, signature: str) -> F:
    options = {"nogil": True, "error_model": "numpy"}
    try:
        compiled: F = numba.njit(signature, cache=True, **options)(function)
    except RuntimeError:  # no directory can be written to
        compiled = numba.njit(signature, **options)(function)
    return compiled


def inlined(function: F) -> F:
    """A part of kernels."""
    part: F = numba.njit(forceinline=True, error_model="numpy")(function)
    return part
