"""Well-known binary to flat arrays, without a geometry object in between.

Kernels: compiled by numba on first use and kept on disk beside the module. They hold no lock, so threads run side by side.
"""

import numpy as np
import numpy.typing as npt

from geo.kernel import kernel

POINT, LINE, SHELL, HOLE = 0, 1, 2, 3

OK = 0
BAD_TYPE = 1  # a curve, a surface, anything that is not made of straight segments
BAD_BYTES = 2  # ends before its own counts say
BIG_ENDIAN = 3
NOT_FINITE = 4
NOT_CLOSED = 5

# No frame on Earth has coordinates as large: metres.
FARTHEST_M = 1e9

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


@kernel
def _u32(buffer: _Bytes, at: int) -> int:
    word = 0
    for i in range(4):
        word |= int(buffer[at + i]) << (8 * i)
    return word


@kernel
def _u64(buffer: _Bytes, at: int) -> np.uint64:
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(buffer[at + i]) << np.uint64(8 * i)
    return word


@kernel
def _head(buffer: _Bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Read byte order, type and flags: what is wrong, base type, ordinates a point, where the body starts."""
    if at + 5 > end:
        return BAD_BYTES, 0, 0, at
    if buffer[at] != 1:
        return BIG_ENDIAN, 0, 0, at
    word = _u32(buffer, at + 1)
    at += 5
    dims = 2 + ((word >> 31) & 1) + ((word >> 30) & 1)
    if (word >> 29) & 1:
        at += 4
    code = word & 0x0FFFFFFF
    if code >= 1000:
        dims = 2 + (1 if code // 1000 in (1, 2) else 2)
        code %= 1000
    return OK, code, dims, at


@kernel
def _rings(buffer: _Bytes, at: int, end: int, dims: int) -> tuple[int, int, int]:
    """Count rings and vertices of a polygon; where it ends, beyond `end` when it is cut off."""
    if at + 4 > end:
        return 0, 0, end + 1
    rings = _u32(buffer, at)
    at += 4
    some = vertices = 0
    for ring in range(rings):
        if at + 4 > end:
            return 0, 0, end + 1
        n = _u32(buffer, at)
        at += 4 + 8 * dims * n
        vertices += n
        if n > 0 and some == 0 and ring > 0:
            return 0, 0, end + 1  # holes without a shell
        some += n > 0
    return some, vertices, at


@kernel
def _nowhere(buffer: _Bytes, at: int) -> bool:
    """Is a point empty, both ordinates NaN?"""
    size, nothing = np.uint64(0x7FFFFFFFFFFFFFFF), np.uint64(0x7FF0000000000000)
    return bool(_u64(buffer, at) & size > nothing and _u64(buffer, at + 8) & size > nothing)


@kernel
def _number(buffer: _Bytes, at: int, end: int) -> tuple[int, int]:
    """Read how many follow, and where; beyond `end` when it is cut off."""
    if at + 4 > end:
        return 0, end + 1
    return _u32(buffer, at), at + 4


@kernel
def _leaf(buffer: _Bytes, at: int, end: int, dims: int, code: int) -> tuple[int, int, int]:
    """Count parts and vertices of a point, line or polygon; where it ends, beyond `end` when it is cut off."""
    if code == 3:
        return _rings(buffer, at, end, dims)
    if code == 2:
        n, at = _number(buffer, at, end)
        return int(n > 0), n, at + 8 * dims * n
    if at + 8 * dims > end:
        return 0, 0, end + 1
    there = int(not _nowhere(buffer, at))
    return there, there, at + 8 * dims


@kernel
def measure(buffer: _Bytes, starts: _Ints, counts: _Ints) -> int:
    """Count parts and vertices of every geometry into `counts`, shape (n, 2). Empty parts count as nothing."""
    for g in range(starts.size - 1):
        at, end = starts[g], starts[g + 1]
        parts = vertices = 0
        left = 0 if at == end else 1
        while left > 0:
            left -= 1
            wrong, code, dims, at = _head(buffer, at, end)
            if wrong != OK:
                return wrong
            if not 1 <= code <= 7:
                return BAD_TYPE
            if code > 3:
                n, at = _number(buffer, at, end)
                left += n
            else:
                some, inside, at = _leaf(buffer, at, end, dims, code)
                parts += some
                vertices += inside
            if at > end or left > end - at:
                return BAD_BYTES
        counts[g, 0] = parts
        counts[g, 1] = vertices
    return OK


@kernel
def _points(
    buffer: _Bytes,
    at: int,
    n: int,
    dims: int,
    x: npt.NDArray[np.uint64],
    y: npt.NDArray[np.uint64],
    v: int,
) -> None:
    for i in range(n):
        x[v + i] = _u64(buffer, at + 8 * dims * i)
        y[v + i] = _u64(buffer, at + 8 * dims * i + 8)


@kernel
def read(
    buffer: _Bytes,
    starts: _Ints,
    x: npt.NDArray[np.uint64],
    y: npt.NDArray[np.uint64],
    part_start: _Ints,
    kind: npt.NDArray[np.int8],
) -> None:
    """Fill the arrays that `measure` sized; `x` and `y` take the bits of float64."""
    p = v = 0
    part_start[0] = 0
    for g in range(starts.size - 1):
        at, end = starts[g], starts[g + 1]
        left = 0 if at == end else 1
        while left > 0:
            left -= 1
            _, code, dims, at = _head(buffer, at, end)
            rings = 1
            n = 1
            if code == 1:
                n = 0 if _nowhere(buffer, at) else 1
            elif code != 3:
                n = _u32(buffer, at)
                at += 4
            else:
                rings = _u32(buffer, at)
                at += 4
            if code > 3:
                left += n
                continue
            for ring in range(rings):
                if code == 3:
                    n = _u32(buffer, at)
                    at += 4
                _points(buffer, at, n, dims, x, y, v)
                at += 8 * dims * (1 if code == 1 else n)
                v += n
                if n > 0:
                    kind[p] = code - 1 if code < 3 else (SHELL if ring == 0 else HOLE)
                    p += 1
                    part_start[p] = v


@kernel
def orient(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    part_start: _Ints,
    kind: npt.NDArray[np.int8],
) -> int:
    """Turn shells counter-clockwise and holes clockwise in place, and look at every ordinate and whether rings close."""
    for p in range(kind.size):
        lo, hi = part_start[p], part_start[p + 1]
        for i in range(lo, hi):
            if not (abs(x[i]) < FARTHEST_M and abs(y[i]) < FARTHEST_M):
                return NOT_FINITE
        if kind[p] < SHELL:
            continue
        if x[lo] != x[hi - 1] or y[lo] != y[hi - 1]:
            return NOT_CLOSED
        twice = 0.0
        for i in range(lo, hi - 1):
            twice += (x[i] - x[lo]) * (y[i + 1] - y[lo]) - (x[i + 1] - x[lo]) * (y[i] - y[lo])
        if (twice < 0) == (kind[p] == SHELL):
            for i in range((hi - lo) // 2):
                j = hi - 1 - i
                x[lo + i], x[j] = x[j], x[lo + i]
                y[lo + i], y[j] = y[j], y[lo + i]
    return OK


@kernel
def areas(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    part_start: _Ints,
    kind: npt.NDArray[np.int8],
    start: _Ints,
    found: npt.NDArray[np.float64],
) -> None:
    """Fill the planar area of each geometry from its oriented rings, each measured from its own first vertex."""
    for g in range(start.size - 1):
        twice = 0.0
        for p in range(start[g], start[g + 1]):
            if kind[p] < SHELL:
                continue
            lo = part_start[p]
            for i in range(lo, part_start[p + 1] - 1):
                twice += (x[i] - x[lo]) * (y[i + 1] - y[lo]) - (x[i + 1] - x[lo]) * (y[i] - y[lo])
        found[g] = twice / 2
