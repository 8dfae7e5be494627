"""The GPU under training: how hot, how full and how busy it is, sampled beside training."""

import logging
import threading
from collections import deque
from contextvars import copy_context
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from loraruner.spec import Monitor

_LOG = logging.getLogger(__name__)
SAMPLE_S = 10.0
UTILIZATION_SAMPLES = 30  # of ``SAMPLE_S``: five minutes
COOLER_C = 5  # a hot GPU is hot until it is so much cooler
COOL_LIMIT_S = 600.0
BACK = 0.02  # a share is back in order so far inside its limit


@dataclass(frozen=True)
class Reading:
    """One look at a GPU; None is what it does not tell. Shares are from 0 to 1."""

    temperature_c: float | None = None
    memory: float | None = None  # bytes in use, of any process, by all bytes
    utilization: float | None = None  # time with a kernel at work, by all time


class GpuReader(Protocol):
    """Where readings come from."""

    name: str

    def read(self) -> Reading:
        """The GPU as it is now. Raises OSError or RuntimeError when it cannot be asked any more."""
        ...


class Excursion:
    """Tells when a value leaves its limit: once, until it is back inside by ``back``."""

    def __init__(self, back: float) -> None:
        self._back, self.out = back, False

    def leaves(self, beyond: float | None) -> bool:
        """Whether it leaves just now; ``beyond`` is how far outside the value is, negative inside, None unknown."""
        if beyond is None:
            return False
        was, self.out = self.out, beyond > (-self._back if self.out else 0.0)
        return self.out and not was


class GpuWatch:
    """Compares readings with the job's limits; use as a context manager, which samples in a thread of its own.

    What there is to tell waits for ``news``, so that only the training thread tells it. Without a reader nothing is
    watched.
    """

    def __init__(self, reader: GpuReader | None, options: Monitor) -> None:
        self._reader, self._options = reader, options
        self._hot, self._full, self._idle = Excursion(COOLER_C), Excursion(BACK), Excursion(BACK)
        self._busy: deque[float] = deque(maxlen=UTILIZATION_SAMPLES)
        self._news: deque[tuple[str, str]] = deque()
        self._peaks: dict[str, float | None] = {"temperature_c": None, "memory": None}
        self._busy_sum, self._num_busy = 0.0, 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._watch,), name="gpu-watch", daemon=True)

    def __enter__(self) -> "GpuWatch":
        if self._reader:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._thread.ident:
            self._thread.join(1.0)  # the driver may hang

    @property
    def is_hot(self) -> bool:
        """Whether the temperature is above its limit, or was and is not ``COOLER_C`` below it yet."""
        return self._hot.out

    def news(self) -> list[tuple[str, str]]:
        """Kind and text of each warning since the last call."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def facts(self) -> dict[str, Any] | None:
        """Peaks and mean of this attempt for the manifest; None where no GPU was watched."""
        if not self._reader or not (self._num_busy or any(value is not None for value in self._peaks.values())):
            return None
        mean = round(self._busy_sum / self._num_busy, 4) if self._num_busy else None
        return {"name": self._reader.name, **self._peaks, "utilization": mean}

    def sample(self) -> bool:
        """Take one reading; False when there is nobody to ask any more."""
        assert self._reader is not None
        try:
            reading = self._reader.read()
        except (OSError, RuntimeError) as error:
            _LOG.warning("the GPU is not watched any more: %s", error)
            self._hot.out = False  # nobody would tell that it has cooled
            return False
        self._note(reading)
        self._judge(reading)
        return True

    def _watch(self) -> None:
        while self.sample() and not self._closed.wait(SAMPLE_S):
            pass

    def _note(self, reading: Reading) -> None:
        for name, value in (("temperature_c", reading.temperature_c), ("memory", reading.memory)):
            known = self._peaks[name]
            self._peaks[name] = value if known is None else known if value is None else max(known, value)
        if reading.utilization is not None:
            self._busy.append(reading.utilization)
            self._busy_sum, self._num_busy = self._busy_sum + reading.utilization, self._num_busy + 1

    def _judge(self, reading: Reading) -> None:
        options = self._options
        limit_c, most, least = options.max_gpu_temperature_c, options.max_gpu_memory, options.min_gpu_utilization
        if limit_c and self._hot.leaves(_beyond(reading.temperature_c, limit_c)):
            text = f"the GPU is at {reading.temperature_c:.0f} C, above {limit_c} C (monitor.max_gpu_temperature_c)"
            self._news.append(("gpu_temperature", f"{text}: look at its fans and what runs beside it"))
        if most and self._full.leaves(_beyond(reading.memory, most)):
            text = f"the GPU's memory is {reading.memory:.1%} full, above {most:.1%} (monitor.max_gpu_memory)"
            self._news.append(("gpu_memory", f"{text}: the next larger batch may end the run"))
        busy = fmean(self._busy) if len(self._busy) == UTILIZATION_SAMPLES else None
        if least and busy is not None and self._idle.leaves(least - busy):
            text = f"the GPU computed {busy:.1%} of the last five minutes, less than {least:.1%}"
            self._news.append(("gpu_utilization", f"{text} (monitor.min_gpu_utilization): something else holds it up"))


def _beyond(value: float | None, limit: float) -> float | None:
    return None if value is None else value - limit
