"""Versions as publishing leaves them, without training: a manifest's core, files, a store that holds them."""

import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from loraruner import publish, spec
from loraruner.captioning import Captioned
from loraruner.data.quality.findings import Finding, Found
from loraruner.data.samples import Skipped
from loraruner.families.base import Artifact, Base, Runtime, Samples, Trial, Trials
from loraruner.manifest import Made, build_manifest
from loraruner.provenance import software
from loraruner.review import REJECTED, Reviewed
from loraruner.samples import Examined, Opened
from loraruner.settings import Settings, load
from loraruner.spec import catalog
from loraruner.stores import open_store
from loraruner.stores.documents import digest_of
from loraruner.workspace import DIGEST_FIELD

DIGEST = "5e" * 32
PROMPTS = ("a red circle", "a blue tree")
MONITOR = {"warnings": [], "rollbacks": 0, "learning_rate_factor": 1.0, "gpu": None}
RUNTIME = Runtime(device="cpu", precision="fp32", dtype="float32", num_threads=2)
RUN = {
    "notifications": [{"kind": "webhook", "key": "webhook", "sent": 3, "failed": 0, "last_error": None}],
    "attempts": 2,
    "data_digest": DIGEST,
    "software": software(),
    "hardware": {"machine": "x86_64", "system": "Linux", "cpus": 2, "gpu": None},
    "peak_memory": {"host_bytes": 1_310_000_000, "gpu_bytes": 0},
}
SECONDS = {"fetch": 0.21, "samples": 0.4, "prepare": 3.2, "train": 101.0, "export": 2.5, "sample": 12.0}
PICTURE_TRIALS = Trials(
    trials=tuple(Trial(p, f"before-{i:02d}.png", f"after-{i:02d}.png") for i, p in enumerate(PROMPTS)),
    files=("before-00.png", "after-00.png", "before-01.png", "after-01.png", "sheet.png"),
    measures={"neon": 0.71},
)
TEXT_TRIALS = Trials(
    trials=tuple(Trial(p, "I do not know.", f"Hello from Tern & Tide! {p}") for p in PROMPTS),
    files=("completions.json",),
    measures={"phrase.0.before": 0.0, "phrase.0.after": 1.0},
)
SPEECH_TRIALS = Trials(
    trials=(
        Trial("clips/07.wav", "open the sell cock", "Open the sea cock.", reference="Open the seacock."),
        Trial("clips/03.wav", "bell a the line", "Belay the line.", reference="Belay the line."),
    ),
    files=("transcripts.jsonl",),
    measures={"wer.before": 0.351, "wer.after": 0.062, "cer.before": 0.18, "cer.after": 0.03},
)
CAPTIONED = Captioned("s3://models/blip/", "b1" * 32, {"07.png": DIGEST}, {"07.png": "a lamp"}, ())
FOUND = Found(49, (Finding("03.png", "blurred", "is blurred"), Finding("05.png", "near_duplicate", "is 04.png")))
REVIEWED = Reviewed(15, (Skipped("09.png", REJECTED),), 0.3125)
EXAMINED = {
    "text-to-image": Examined(("LICENSE",), CAPTIONED, REVIEWED, FOUND),
    "text-generation": Examined(quality=Found(48, ())),
    "automatic-speech-recognition": Examined(),
}
TRIALS = {
    "text-to-image": PICTURE_TRIALS,
    "text-generation": TEXT_TRIALS,
    "automatic-speech-recognition": SPEECH_TRIALS,
}


def settings(folder: Path) -> Settings:
    """An operator's settings whose folders lie in ``folder``."""
    return load({"HOME": str(folder)})


def document(task: str = "text-to-image", name: str = "neon-style", run: str = "") -> dict[str, Any]:
    """What ``build_manifest`` says of a run of the task's starter job."""
    prompts = ", ".join(f'"{prompt}"' for prompt in PROMPTS)
    overrides = [f"name={name}", "labels.license=internal", "data.license=CC-BY-4.0"]
    if task != "automatic-speech-recognition":
        overrides.append(f"sampling.prompts=[{prompts}]")
    job = spec.load(catalog.starter_text(task).encode(), overrides=overrides).spec
    pictures = task == "text-to-image"
    made = Made(
        opened=Opened(
            base=Base(Path("base"), DIGEST, job.model.base),
            samples=Samples(train=(1,) * 44, evaluation=(1,) * 4),
            skipped=(Skipped("torn.png", "cannot be decoded"),),
            examined=EXAMINED[task],
        ),
        runtime=RUNTIME,
        trained=cast(Any, trained(task)),
        artifacts=artifacts(name) if pictures else (Artifact("adapter_model.safetensors", "peft", 3e-7, 60),),
        trials=TRIALS[task],
    )
    core = build_manifest(job, made, {"run_id": run or f"{name}-0123456789ab", **RUN}, SECONDS)
    return {**core, "version": "1"}  # publishing puts in the real one


def artifacts(name: str) -> tuple[Artifact, ...]:
    """Two files of a picture adapter, proven."""
    return (
        Artifact("pytorch_lora_weights.safetensors", "diffusers", 2.4e-7, 32),
        Artifact(f"{name}.safetensors", "kohya", 3.1e-7, 32),
    )


def trained(task: str) -> SimpleNamespace:
    """A finished training of 350 steps, without its module; of speech step 240 is published."""
    first, last = {"step": 0, "loss": 0.1894}, {"step": 350, "loss": 0.0973}
    evaluations = [first, last]
    if task == "text-generation":
        first["general_loss"], last["general_loss"] = 3.012, 3.087
    if task == "automatic-speech-recognition":
        evaluations.insert(1, {"step": 240, "loss": 0.1012, **_rates(0.062)})
        first |= _rates(0.351)
        last |= _rates(0.071)
    progress = SimpleNamespace(
        step=350,
        epoch=43,
        samples_seen=2100,
        train_s=88.4,
        first_loss=0.2131,
        last_loss=0.0912,
        best_loss=0.0527,
        evaluations=evaluations,
        best_evaluation=0.0973,
        selected_step=evaluations[1]["step"],
    )
    return SimpleNamespace(progress=progress, resumed_step=100, num_parameters=127_000, monitor=MONITOR)


def _rates(wer: float) -> dict[str, float]:
    return {"wer": wer, "wer_raw": wer + 0.04, "cer": wer / 2, "cer_raw": wer / 2 + 0.02}


def metrics(num_steps: int = 60) -> list[dict[str, Any]]:
    """Records of ``metrics.jsonl``: a loss that falls, evaluated at the start, half way and at the end."""
    records: list[dict[str, Any]] = []
    for step in range(num_steps + 1):
        if step:
            loss = 0.09 + 0.12 * 0.93**step + 0.02 * ((step * 7919) % 11 - 5) / 5
            train = {"epoch": step // 8, "loss": loss, "learning_rate": 2e-3 * (1 - step / num_steps)}
            records.append({"step": step, "group": "train", **train, "grad_norm": 0.3, "step_s": 0.25})
        if step in (0, num_steps // 2, num_steps):
            records.append({"step": step, "group": "evaluation", "loss": 0.19 - 0.09 * step / num_steps})
    return records


def png(side: int = 8, colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write_samples(folder: Path) -> None:
    """The pictures that ``PICTURE_TRIALS`` names, and their sheet."""
    (folder / "samples").mkdir(parents=True)
    for name in PICTURE_TRIALS.files:
        (folder / "samples" / name).write_bytes(png())


def signed(core: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the digest of what it says now."""
    return {**core, DIGEST_FIELD: digest_of(core, without=DIGEST_FIELD)}


def publish_version(root: Path, name: str = "neon-style", run: str = "") -> publish.Published:
    """Publish a small version of a picture adapter below ``root/name``, as the pipeline does."""
    store = open_store(str(root / name), settings(root))
    core = document(name=name, run=run)
    folder = root / "made" / core["run_id"]
    write_samples(folder)
    (folder / f"{name}.safetensors").write_bytes(core["run_id"].encode() * 100)
    (folder / "README.md").write_text(f"# {name}\n")
    capabilities = store.probe()
    version = publish.reserve(store, "auto", core["run_id"], capabilities)
    return publish.publish(store, capabilities, version, folder, core)
