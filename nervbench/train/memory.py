"""Memory that is kept between steps of a training on the CPU.

A step allocates and frees hundreds of megabytes, the same each time. glibc gives large blocks back to the system when
they are freed, and the next step gets them page by page, zeroed: a step of nerv-xs by the authors' recipe took 13,400
page faults and a ninth of its processor time in the kernel, and none of either with the memory kept.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_NEVER = 2**31 - 1
_MMAP_BYTES = (2**30, 2**25)  # an older glibc takes no more than the second


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; False where the C library has no such setting (musl, macOS).

    Changes nothing that is computed. It holds for the life of the process, which then never shrinks.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = any(mallopt(_M_MMAP_THRESHOLD, size) for size in _MMAP_BYTES)
    return bool(mallopt(_M_TRIM_THRESHOLD, _NEVER)) and kept
