"""The GPU watch on scripted readings, and NVML's answers as its package gives them."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loraruner.events import StepDone, Warned
from loraruner.spec import Monitor
from loraruner.training.monitor import gpu, nvml
from loraruner.training.monitor.gpu import GpuWatch, Reading
from tests.support.tiny_training import TinyRun, TinyTrainable, job


@dataclass
class Script:
    """Readings one after the other; then the GPU is gone."""

    readings: Iterable[Reading]
    name: str = "NVIDIA Test"
    taken: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rest = iter(self.readings)

    def read(self) -> Reading:
        try:
            self.taken.append(next(self._rest))
        except StopIteration:
            raise RuntimeError("GPU is lost") from None
        return self.taken[-1]


def watched(*readings: Reading, **options: Any) -> tuple[GpuWatch, list[str]]:
    """The watch after those readings, and the kinds of its warnings."""
    watch = GpuWatch(Script(readings), Monitor(**options))
    assert all([watch.sample() for _ in readings])
    return watch, [kind for kind, _ in watch.news()]


def at(*celsius: float) -> list[Reading]:
    return [Reading(temperature_c=value) for value in celsius]


@pytest.mark.parametrize(
    ("celsius", "warnings", "hot"),
    [
        ((60, 87), 0, False),
        ((60, 88), 1, True),
        ((88, 89, 90), 1, True),
        ((88, 86, 88, 83, 88), 1, True),  # not cool enough between
        ((88, 82, 88), 2, True),
        ((88, 82), 1, False),
    ],
)
def test_a_hot_gpu_is_told_once_until_it_is_cool(celsius: tuple[float, ...], warnings: int, hot: bool) -> None:
    """Above 87 C; cool again at 82 C."""
    watch, kinds = watched(*at(*celsius))
    assert (kinds, watch.is_hot) == (["gpu_temperature"] * warnings, hot)


def test_memory_and_idleness() -> None:
    """Memory by its share, utilisation over five minutes, each told once."""
    full = [Reading(memory=value) for value in (0.5, 0.985, 0.99, 0.97, 0.99, 0.9, 0.99)]
    assert watched(*full)[1] == ["gpu_memory"] * 2
    idle = [Reading(utilization=0.1)] * 60
    assert watched(*idle, min_gpu_utilization=0.5)[1] == ["gpu_utilization"]
    assert watched(*idle[:29], min_gpu_utilization=0.5)[1] == []
    assert watched(*[Reading(utilization=1.0)] * 20, *idle[:10], min_gpu_utilization=0.5)[1] == []


def test_nought_switches_a_watch_off() -> None:
    """And what a device does not tell is no fault."""
    extreme = Reading(temperature_c=150, memory=1.0, utilization=0.0)
    off = {"max_gpu_temperature_c": 0, "max_gpu_memory": 0.0}
    assert watched(*[extreme] * 40, **off)[1] == []
    watch, kinds = watched(*[Reading()] * 40, min_gpu_utilization=0.5)
    assert (kinds, watch.facts()) == ([], None)


def test_peaks() -> None:
    """Highest temperature and share of memory, mean utilisation, and the name, whatever was left out between."""
    readings = (Reading(60, 0.5, 0.8), Reading(None, None, None), Reading(70, 0.4, 0.4), Reading(65, None, 0.6))
    found = watched(*readings)[0].facts()
    assert found == {"name": "NVIDIA Test", "temperature_c": 70, "memory": 0.5, "utilization": 0.6}


def test_a_gpu_that_is_lost_is_no_fault_of_training(caplog: pytest.LogCaptureFixture) -> None:
    """One warning; nobody waits for it to cool any more."""
    watch, _ = watched(*at(95))
    assert watch.sample() is False and not watch.is_hot
    assert "the GPU is not watched any more: GPU is lost" in caplog.text


def test_the_thread_samples_until_it_is_left() -> None:
    """The first reading is taken at once; a watch without a reader starts nothing."""
    taken = threading.Event()

    class Telling(Script):
        def read(self) -> Reading:
            taken.set()
            return Reading(50)

    watch = GpuWatch(Telling([]), Monitor())
    with watch:
        assert taken.wait(10)
    assert not watch._thread.is_alive()
    with GpuWatch(None, Monitor()) as unwatched:
        assert unwatched.facts() is None and threading.active_count() < 50 and unwatched._thread.ident is None


def train_on(run: TinyRun, readings: Iterable[Reading], patch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """Four steps; a reading is taken before the first and in each wait, and the wait takes no time."""
    script = Script(readings)

    def enter(self: GpuWatch) -> GpuWatch:
        self.sample()
        return self

    patch.setattr(GpuWatch, "__enter__", enter)
    patch.setattr("loraruner.training.attempt.open_reader", lambda device: script)
    patch.setattr("loraruner.training.monitor.watch.Watch._poll", lambda self: self._gpu.sample())
    spec = job(training__max_steps=4, **{f"monitor__{name}": value for name, value in options.items()})
    return dict(run.attempt(spec, TinyTrainable()).monitor)


def test_training_waits_for_a_hot_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With ``cool`` between two steps until it is five degrees below the limit; the manifest has the peak."""
    caplog.set_level(logging.INFO)
    run = TinyRun(tmp_path)
    found = train_on(run, at(90, 89, 88, 83, 82), monkeypatch, on_gpu_hot="cool")
    assert found["gpu"]["temperature_c"] == 90
    assert [each["kind"] for each in found["warnings"]] == ["gpu_temperature"]
    kinds = [type(event) for event in run.events if isinstance(event, StepDone | Warned)]
    assert kinds == [Warned, StepDone, StepDone, StepDone, StepDone]
    assert "the GPU is cooler" in caplog.text


def test_it_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten minutes at most, once for each time that it gets hot; then training goes on."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("loraruner.training.monitor.watch.COOL_LIMIT_S", 0.0)
    found = train_on(TinyRun(tmp_path), at(*[95] * 9), monkeypatch, on_gpu_hot="cool")
    assert caplog.text.count("the GPU is still hot") == 1 and found["gpu"]["temperature_c"] == 95


def test_only_telling_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``warn`` one reading is enough: nobody waits for a second."""
    found = train_on(TinyRun(tmp_path), at(95), monkeypatch)
    assert [each["kind"] for each in found["warnings"]] == ["gpu_temperature"]


class Nvml:
    """The part of ``pynvml`` that is used, with a machine of two GPUs behind it."""

    NVML_TEMPERATURE_GPU = 0
    NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_NO_PERMISSION, NVML_ERROR_GPU_IS_LOST = 3, 4, 15

    class NVMLError(Exception):
        def __init__(self, value: int) -> None:
            super().__init__(f"error {value}")
            self.value = value

    def __init__(self, known: dict[str, str], temperature: Callable[[], int] = lambda: 61) -> None:
        self.known, self.temperature = known, temperature

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return self._find(uuid)

    def nvmlDeviceGetHandleByPciBusId(self, place: str) -> str:
        return self._find(place)

    def _find(self, key: str) -> str:
        if key not in self.known:
            raise self.NVMLError(6)
        return self.known[key]

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return self.temperature()

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return SimpleNamespace(used=3, total=4)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        return SimpleNamespace(gpu=25, memory=5)


DEVICE = SimpleNamespace(name="Second", uuid="abc", pci_domain_id=0, pci_bus_id=0x65, pci_device_id=1)


@pytest.mark.parametrize("key", ["GPU-abc", "MIG-abc", "00000000:65:01.0"])
def test_nvml_is_asked_for_the_device_that_is_trained_on(key: str) -> None:
    """By CUDA's UUID, of a whole GPU or a part, else by its place on the bus: NVML counts devices in its own way."""
    reader = nvml.NvmlReader(Nvml({key: "it", "GPU-other": "another"}), DEVICE)
    assert (reader.name, reader._handle) == ("Second", "it")
    assert reader.read() == Reading(temperature_c=61, memory=0.75, utilization=0.25)


@pytest.mark.parametrize("code", [3, 4])
def test_what_a_device_does_not_tell_is_left_out(code: int) -> None:
    """A part of a GPU has no temperature; the rest is read."""

    def refuse() -> int:
        raise Nvml.NVMLError(code)

    reader = nvml.NvmlReader(Nvml({"GPU-abc": "it"}, refuse), DEVICE)
    assert reader.read() == Reading(temperature_c=None, memory=0.75, utilization=0.25)


def test_a_lost_device_is_said() -> None:
    """Any other answer ends the watch."""

    def lose() -> int:
        raise Nvml.NVMLError(Nvml.NVML_ERROR_GPU_IS_LOST)

    with pytest.raises(RuntimeError, match="error 15"):
        nvml.NvmlReader(Nvml({"GPU-abc": "it"}, lose), DEVICE).read()


@pytest.mark.parametrize("there", [True, False])
def test_without_a_driver_nothing_is_watched(
    there: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the debug level, whether the package or the driver is what is missing; a CPU asks nobody."""
    caplog.set_level(logging.DEBUG)
    assert nvml.open_reader("cpu") is None and caplog.text == ""
    module = Nvml({})
    monkeypatch.setattr(module, "nvmlInit", lambda: (_ for _ in ()).throw(Nvml.NVMLError(12)), raising=False)
    monkeypatch.setitem(__import__("sys").modules, "pynvml", module if there else None)
    assert nvml.open_reader("cuda") is None
    assert caplog.text.count("the GPU is not watched") == 1 and not caplog.text.count("WARNING")


def test_samples_are_ten_seconds_apart() -> None:
    """Thirty of them make the five minutes of the documentation."""
    assert gpu.SAMPLE_S * gpu.UTILIZATION_SAMPLES == 300
