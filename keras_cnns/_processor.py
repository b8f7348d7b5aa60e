"""What the processor can do, as far as it decides how graphs compute."""

import contextlib
import contextvars
import functools
import os
import platform

_FLAGS = "/proc/cpuinfo"
_SWITCH = "TF_ENABLE_ONEDNN_OPTS"
_AVX2 = ("AVX2", "AVX2_VNNI", "AVX2_VNNI_2")
# With one of these TensorFlow computes with oneDNN unless told otherwise.
_ONEDNN = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
_any = contextvars.ContextVar("any processor", default=False)


def use_onednn() -> None:
    """Has TensorFlow compute with oneDNN on any x86 processor, which trains faster.

    By itself it does so only on those with instructions for products of 8 or 16 bits.
    ``TF_ENABLE_ONEDNN_OPTS`` in the environment decides where it is set. To be called
    before TensorFlow is imported.
    """
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault(_SWITCH, "1")


def uses_onednn() -> bool:
    """Whether TensorFlow computes with oneDNN on this x86 processor.

    By ``TF_ENABLE_ONEDNN_OPTS`` where it is set, else by Linux' list of the
    processor's instructions. False where neither tells.
    """
    given = os.environ.get(_SWITCH, "").lower()
    if given in ("0", "false", "1", "true"):
        return given in ("1", "true")
    return not _ONEDNN.isdisjoint(_instructions(_FLAGS))


def is_limited_to_avx2() -> bool:
    """Whether graphs are for a processor that has AVX2 but not AVX-512.

    By Linux' list of its instructions, and ``ONEDNN_MAX_CPU_ISA``, which limits
    oneDNN. False where neither tells, and within ``any_processor``.
    """
    if _any.get():
        return False
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _AVX2:
        return True
    known = _instructions(_FLAGS)
    return "avx2" in known and "avx512f" not in known


@contextlib.contextmanager
def any_processor():
    """Within the block graphs are made for another computer's processor."""
    token = _any.set(True)
    try:
        yield
    finally:
        _any.reset(token)


@functools.cache
def _instructions(path):
    """Names of the processor's instruction sets; none where there is no such list."""
    try:
        with open(path, encoding="utf-8") as file:
            known = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # another system
        return frozenset()
    return frozenset(known.split())
