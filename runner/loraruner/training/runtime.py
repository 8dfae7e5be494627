"""What ``auto`` becomes on this machine: device, precision, base type, threads."""

import logging
import os
import platform
import resource
import sys
from typing import Any

import torch

from loraruner.errors import EnvironmentUnfit
from loraruner.families.base import Runtime
from loraruner.spec import Spec

_LOG = logging.getLogger(__name__)
DTYPE_OF = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def resolve_runtime(spec: Spec) -> Runtime:
    """Resolve ``training.precision`` and ``model.dtype``.

    ``auto`` is bf16 where the hardware computes it, else fp16 on a GPU and fp32 on a CPU; the frozen base follows the
    precision. Raises EnvironmentUnfit (78) when a job asks for bf16 on a GPU that lacks it.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = spec.training.precision
    if precision == "auto":
        precision = "bf16" if _computes_bf16(device) else "fp16" if device == "cuda" else "fp32"
    elif precision == "bf16" and device == "cuda" and not _computes_bf16(device):
        raise EnvironmentUnfit(
            f"$.training.precision: bf16 is not computed by {torch.cuda.get_device_name()}; use fp16, fp32 or auto"
        )
    dtype = DTYPE_OF[precision] if spec.model.dtype == "auto" else spec.model.dtype
    return Runtime(device=device, precision=precision, dtype=dtype, num_threads=torch.get_num_threads())


def apply_runtime(runtime: Runtime) -> bool:
    """Set threads and deterministic kernels; False (and one warning) when a stored runtime cannot be had here."""
    torch.set_num_threads(runtime.num_threads)
    facts = (runtime.device, runtime.precision, runtime.dtype, runtime.num_threads)
    _LOG.info("computing on %s in %s, base in %s, %d CPU threads", *facts)
    if runtime.device == "cuda":
        if not torch.cuda.is_available():
            raise EnvironmentUnfit("this run was started on a GPU and there is none here; start it anew with --fresh")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    if torch.get_num_threads() != runtime.num_threads:
        _LOG.warning("resume not exact: %d threads wanted, %d to be had", runtime.num_threads, torch.get_num_threads())
        return False
    return True


def _computes_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def hardware() -> dict[str, Any]:
    """Machine, CPU count, and the GPU where there is one."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count(), "gpu": gpu}


def peak_memory() -> dict[str, int]:
    """Peak bytes of host memory (this process) and of GPU memory (0 without one)."""
    unit = 1 if sys.platform == "darwin" else 1024
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {"host_bytes": host, "gpu_bytes": gpu}
