"""What the processor can do, as far as it decides how graphs compute."""

import contextlib
import contextvars
import functools
import os
import platform

_FLAGS = "/proc/cpuinfo"
_AVX2 = ("AVX2", "AVX2_VNNI", "AVX2_VNNI_2")
_any = contextvars.ContextVar("any processor", default=False)


def use_onednn() -> None:
    """Has TensorFlow compute with oneDNN on any x86 processor, which trains faster.

    By itself it does so only on those with instructions for products of 8 or 16 bits.
    ``TF_ENABLE_ONEDNN_OPTS`` in the environment decides where it is set. To be called
    before TensorFlow is imported.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def is_limited_to_avx2() -> bool:
    """Whether graphs are for a processor that has AVX2 but not AVX-512.

    By Linux' list of its instructions, and ``ONEDNN_MAX_CPU_ISA``, which limits
    oneDNN. False where neither tells, and within ``any_processor``.
    """
    return not _any.get() and _is_limited_to_avx2()


@contextlib.contextmanager
def any_processor():
    """Within the block graphs are made for another computer's processor."""
    token = _any.set(True)
    try:
        yield
    finally:
        _any.reset(token)


@functools.cache
def _is_limited_to_avx2():
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _AVX2:
        return True
    try:
        with open(_FLAGS, encoding="utf-8") as file:
            known = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # another system
        return False
    return "avx2" in known.split() and "avx512f" not in known.split()
