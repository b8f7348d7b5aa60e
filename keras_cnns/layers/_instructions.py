"""What the processor can do, as far as it decides how a layer computes."""

import functools
import os

_FLAGS = "/proc/cpuinfo"
_NARROW = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2")


@functools.cache
def is_limited_to_avx2() -> bool:
    """Whether oneDNN, which computes for TensorFlow, has AVX2 but not AVX-512.

    By Linux' list of the processor's instructions, and ``ONEDNN_MAX_CPU_ISA``, which
    limits oneDNN. False where neither tells.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _NARROW:
        return True
    try:
        with open(_FLAGS, encoding="utf-8") as file:
            known = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # another system
        return False
    return "avx2" in known.split() and "avx512f" not in known.split()
