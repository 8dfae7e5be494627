"""Readings of an NVIDIA GPU by NVML (the driver's library, by the package nvidia-ml-py)."""

import logging
from collections.abc import Callable
from typing import Any

import torch

from loraruner.training.monitor.gpu import GpuReader, Reading

_LOG = logging.getLogger(__name__)


def open_reader(device: str) -> GpuReader | None:
    """The GPU that torch trains on; None, with a line in the log's debug level, where NVML cannot be had.

    NVML counts all GPUs of the machine and knows nothing of ``CUDA_VISIBLE_DEVICES``, so that it is asked by the UUID
    or the bus address that CUDA tells.
    """
    if device != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        return NvmlReader(pynvml, torch.cuda.get_device_properties(torch.cuda.current_device()))
    except Exception as error:  # no package, no driver, no permission, another form of device: nothing depends on it
        _LOG.debug("the GPU is not watched: %s", error)
        return None


class NvmlReader:
    """One device; see ``GpuReader``. ``properties`` are CUDA's. What a device does not tell is None."""

    def __init__(self, nvml: Any, properties: Any) -> None:
        self._nvml, self.name = nvml, str(properties.name)
        self._handle = _find(nvml, properties)

    def read(self) -> Reading:
        """See ``GpuReader.read``."""
        nvml, handle = self._nvml, self._handle
        temperature = self._ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        rates = self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        return Reading(
            temperature_c=temperature,
            memory=memory.used / memory.total if memory and memory.total else None,
            utilization=rates.gpu / 100 if rates else None,
        )

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer, None where the device has none (a part of a GPU, a virtual one)."""
        nvml = self._nvml
        try:
            return question()
        except nvml.NVMLError as error:
            if error.value in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_NO_PERMISSION):
                return None
            raise RuntimeError(str(error)) from error


def _find(nvml: Any, properties: Any) -> Any:
    """NVML's handle of CUDA's device: a GPU, or a part of one (MIG); raises what NVML answers last."""
    uuid = getattr(properties, "uuid", None)
    for kind in ("GPU", "MIG") if uuid else ():
        try:
            return nvml.nvmlDeviceGetHandleByUUID(f"{kind}-{uuid}")
        except nvml.NVMLError:
            continue
    place = (properties.pci_domain_id, properties.pci_bus_id, properties.pci_device_id)
    return nvml.nvmlDeviceGetHandleByPciBusId("{:08X}:{:02X}:{:02X}.0".format(*place))
