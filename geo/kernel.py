"""Compiling loops to machine code: numba, cached on disk.

numba keeps a compiled function for as long as its own module is unchanged, and does not notice that a function compiled into it
changed. So the cache is kept under a name made of the sources of all such modules: other sources, another cache.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

_HERE = Path(__file__).parent
_F = TypeVar("_F", bound=Callable[..., Any])


def _cache() -> Path:
    sources = b"".join(
        s for p in sorted(_HERE.glob("*.py")) if b"geo.kernel" in (s := p.read_bytes())
    )
    name = f"kernels-{hashlib.sha256(sources).hexdigest()[:16]}"
    beside = _HERE / "__pycache__"
    if os.access(beside if beside.exists() else _HERE, os.W_OK):
        return beside / name
    return Path.home() / ".cache" / "landready" / name


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = str(_cache())


def kernel(function: _F) -> _F:
    """Compile on first use; the function holds no lock while it runs, so threads run it side by side."""
    compiled: _F = numba.njit(cache=True, nogil=True)(function)
    return compiled


def fast_kernel(function: _F) -> _F:
    """As `kernel`, promising that no NaN comes and signed zeros are alike: minima of many numbers are then vectorised."""
    compiled: _F = numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})(function)
    return compiled
