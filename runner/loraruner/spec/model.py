"""The typed form of a job: frozen dataclasses that own every default.

``schemas/job.schema.json`` documents the same defaults; a test proves that both agree.
After ``spec.load`` nobody checks a field again.
"""

from dataclasses import dataclass, field
from typing import Any

TASKS = ("text-to-image", "text-generation", "automatic-speech-recognition")


@dataclass(frozen=True, kw_only=True)
class Model:
    """The frozen base model."""

    base: str
    sha256: str | None = None
    dtype: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Caption:
    """Captions by a model for the pictures that have none: ``prefix``, ``template`` around what it says, ``suffix``."""

    model: str
    sha256: str | None = None
    prompt: str = ""
    template: str = "{caption}"
    prefix: str = ""
    suffix: str = ""
    deny: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    num_tags: int = 5
    max_new_tokens: int = 40
    batch_size: int = 8


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What follows from each finding: ``off``, ``warn``, ``skip`` (the sample) or ``fail`` (the job)."""

    too_small: str = "warn"
    extreme_aspect: str = "warn"
    blurred: str = "warn"
    under_exposed: str = "warn"
    over_exposed: str = "warn"
    near_duplicate: str = "warn"
    transparent: str = "warn"
    framed: str = "warn"
    identical_caption: str = "warn"
    short_caption: str = "warn"
    vague_caption: str = "warn"
    long_caption: str = "warn"
    clashing_styles: str = "warn"
    trigger_missing: str = "warn"
    duplicate_row: str = "warn"
    empty_answer: str = "warn"
    long_answer: str = "warn"
    mixed_forms: str = "warn"
    mixed_languages: str = "warn"
    personal_data: str = "warn"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The quality gate and its thresholds; brightness and sharpness on grey values of 0 to 255."""

    checks: Checks = field(default_factory=Checks)
    min_side: int | None = None
    max_aspect: float = 2.5
    min_sharpness: float = 100.0
    min_brightness: float = 75.0
    max_brightness: float = 128.0
    max_hash_distance: int = 8
    min_caption_words: int = 3
    trigger: str | None = None
    vague_captions: tuple[str, ...] = (
        "a beautiful landscape",
        "a beautiful picture",
        "a nice picture",
        "a picture",
        "a photo",
        "a photograph",
        "a scene",
        "an image",
        "beautiful scenery",
        "nice view",
    )
    clashing_styles: tuple[tuple[str, ...], ...] = (
        ("cartoon", "cartoonish", "anime", "comic", "manga", "cel-shaded", "line art", "flat vector"),
        (
            "photo-realistic",
            "photorealistic",
            "photorealism",
            "hyperrealistic",
            "realistic",
            "photograph",
            "photography",
        ),
    )
    max_answer_words: int = 800


@dataclass(frozen=True, kw_only=True)
class Data:
    """The training samples."""

    uri: str
    metadata: str | None = None
    sha256: str | None = None
    max_bad_fraction: float = 0.1
    license: str | None = None
    caption: Caption | None = None
    quality: Quality | None = None
    require_review: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Shape and place of the adapter; the trained scale is ``alpha / rank``."""

    rank: int = 8
    alpha: float = 8.0
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "default"


@dataclass(frozen=True, kw_only=True)
class Training:
    """The loop. Exactly one of ``epochs`` and ``max_steps`` is set once the job is loaded."""

    epochs: int | None = 10
    max_steps: int | None = None
    batch_size: int = 4
    gradient_accumulation_steps: int = 1
    learning_rate: float = 2e-4
    lr_scheduler: str = "cosine"
    warmup_steps: int = 0
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    precision: str = "auto"
    seed: int = 42


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Options of ``text-to-image``."""

    resolution: int = 512
    sample_steps: int = 25
    guidance_scale: float = 7.5
    negative_prompt: str = ""


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """Options of ``text-generation``."""

    max_length: int = 1024
    max_new_tokens: int = 64
    expect_phrases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpeechOptions:
    """Options of ``automatic-speech-recognition``. One encoder frame is 20 ms."""

    language: str | None = None
    whisper_task: str = "transcribe"
    long_clips: str = "split"
    encoder_frames: int = 1500
    max_new_tokens: int = 224
    label_smoothing: float = 0.0
    spec_augment: bool = False


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The held-out measurement, before and after and every ``every_steps`` (0: only before and after)."""

    fraction: float = 0.0
    uri: str | None = None
    general_uri: str | None = None
    every_steps: int = 0
    select: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """When state is saved, how much is kept, and what a new attempt starts from."""

    every_steps: int = 100
    every_s: int = 180
    keep: int = 2
    grace_s: int = 100
    resume: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is tried on the result, before and after."""

    prompts: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where versions go and in which formats."""

    uri: str
    version: str = "auto"
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Monitor:
    """What is watched while training, and what follows from it; 0 switches a watch off.

    ``plateau_steps``, ``overfit_evaluations`` and ``max_rollbacks`` are counts, ``min_improvement``,
    ``max_gpu_memory`` and ``min_gpu_utilization`` shares, the two factors of the loss and of the learning rate.
    """

    plateau_steps: int = 500
    on_plateau: str = "warn"
    min_improvement: float = 0.001
    spike_factor: float = 3.0
    max_rollbacks: int = 2
    rollback_factor: float = 0.5
    overfit_evaluations: int = 3
    stall_s: int = 1800
    max_gpu_temperature_c: int = 87
    on_gpu_hot: str = "warn"
    max_gpu_memory: float = 0.98
    min_gpu_utilization: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ClickUpNotice:
    """A ClickUp task that hears of the run. ``fields``: title of a custom field -> fact; ``statuses``: moment -> name.

    ``task_id`` None is the task of ``data.uri``; ``fields`` None the usual titles, as far as the list has them.
    """

    kind: str = "clickup"
    task_id: str | None = None
    attach: tuple[str, ...] = ("report", "samples", "log", "weights")
    max_attachment_mb: int = 1000
    statuses: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class SmartsheetNotice:
    """A sheet with one row a run. ``columns``: title of a column -> fact; None takes the usual titles."""

    sheet_id: int
    kind: str = "smartsheet"
    create_columns: bool = False
    columns: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class WebhookNotice:
    """An address that gets events. ``url`` None is the operator's ``LORARUNER_WEBHOOK_URL``."""

    kind: str = "webhook"
    url: str | None = None
    preset: str = "json"
    events: tuple[str, ...] = ("started", "epoch", "warning", "finished", "failed")


Notice = ClickUpNotice | SmartsheetNotice | WebhookNotice


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One validated job. ``output.formats`` is filled from the task when the job names none."""

    name: str
    task: str
    model: Model
    data: Data
    output: Output
    lora: Lora = field(default_factory=Lora)
    training: Training = field(default_factory=Training)
    options: ImageOptions | TextOptions | SpeechOptions = field(default_factory=ImageOptions)
    evaluation: Evaluation = field(default_factory=Evaluation)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    sampling: Sampling = field(default_factory=Sampling)
    monitor: Monitor = field(default_factory=Monitor)
    notify: tuple[Notice, ...] = ()
    labels: dict[str, Any] = field(default_factory=dict)
    schema: str | None = None  # the job's "$schema", kept for editors only
