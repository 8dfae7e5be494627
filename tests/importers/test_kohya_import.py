"""sd-scripts' keys that hang together: learning rates, schedule, warm-up, length, optimiser, layers, precision."""

import re

import pytest

from loraruner.errors import DataInvalid
from loraruner.importers import NotImported, Request, Source, convert
from tests.support.imports import at, kohya, row


@pytest.mark.parametrize(
    ("key", "value", "place", "becomes", "verdict"),
    [
        ("train_batch_size", "3", "training.batch_size", 3, "kept"),
        ("train_batch_size", '"3"', "training.batch_size", 3, "kept"),
        ("unet_lr", '"2e-4"', "training.learning_rate", 2e-4, "kept"),
        ("network_dim", "12", "lora.rank", 12, "kept"),
        ("network_alpha", "0.5", "lora.alpha", 0.5, "kept"),
        ("network_dropout", "0.0", "lora.dropout", None, "dropped"),
        ("network_dropout", "0.2", "lora.dropout", 0.2, "changed"),
        ("network_module", '"networks.lora"', "lora.targets", "all-linear", "changed"),
        ("optimizer_type", '"adamw"', "training.optimizer", "adamw", "kept"),
        ("optimizer_type", '"AdamW8bit"', "training.optimizer", "adamw", "changed"),
        ("optimizer_type", '""', "training.optimizer", None, "dropped"),
        ("use_8bit_adam", "true", "training.optimizer", "adamw", "changed"),
        ("optimizer_args", '["weight_decay=0.05"]', "training.weight_decay", 0.05, "changed"),
        ("optimizer_args", '["betas=(0.9, 0.999)", "eps=1e-8"]', "training.weight_decay", None, "dropped"),
        ("optimizer_args", '["betas=(0.9, 0.99)"]', "training.weight_decay", None, "lost"),
        ("optimizer_args", '["weight_decay=much"]', "training.weight_decay", None, "lost"),
        ("lr_scheduler", '"linear"', "training.lr_scheduler", "linear", "kept"),
        ("lr_scheduler", '"constant_with_warmup"', "training.lr_scheduler", "constant", "changed"),
        ("lr_scheduler", '"cosine_with_restarts"', "training.lr_scheduler", "cosine", "changed"),
        ("lr_scheduler", '"polynomial"', "training.lr_scheduler", "linear", "changed"),
        ("lr_scheduler", '"adafactor:1e-4"', "training.lr_scheduler", "cosine", "lost"),
        ("lr_warmup_steps", "10", "training.warmup_steps", 10, "kept"),
        ("lr_warmup_steps", "0.1", "training.warmup_steps", 10, "changed"),
        ("mixed_precision", '"no"', "training.precision", "fp32", "changed"),
        ("mixed_precision", '"bf16"', "training.precision", "bf16", "kept"),
        ("resolution", "512", "options.resolution", 512, "kept"),
        ("resolution", '"512"', "options.resolution", 512, "kept"),
        ("resolution", "[768, 768]", "options.resolution", 768, "kept"),
        ("resolution", '"512, 768"', "options.resolution", 624, "changed"),
        ("caption_extension", '".caption"', "data.metadata", None, "dropped"),
        ("save_every_n_steps", "50", "checkpoint.every_steps", 50, "kept"),
        ("output_name", '"a b/c"', "name", "a-b-c", "changed"),
        ("output_name", '"20250101"', "name", "20250101", "kept"),
        ("training_comment", '"for the autumn"', "labels.comment", "for the autumn", "kept"),
        ("network_weights", '"/old.safetensors"', "model.base", "/models/base.safetensors", "lost"),
        ("clip_skip", "1", "model.base", "/models/base.safetensors", "dropped"),
        ("clip_skip", "2", "model.base", "/models/base.safetensors", "lost"),
        ("noise_offset", '"0"', "model.base", "/models/base.safetensors", "dropped"),
        ("noise_offset", '"0.1"', "model.base", "/models/base.safetensors", "lost"),
        ("loss_type", '"huber"', "model.base", "/models/base.safetensors", "lost"),
    ],
)
def test_one_key(key: str, value: str, place: str, becomes: object, verdict: str) -> None:
    """A key with a value that says something becomes this field of the job, and is told so."""
    imported = kohya(**{key: value})
    assert (at(imported, place), row(imported, key).verdict) == (becomes, verdict)


@pytest.mark.parametrize(
    ("place", "becomes"),
    [
        ("task", "text-to-image"),
        ("lora.rank", 4),
        ("lora.alpha", 1),
        ("lora.targets", "all-linear"),
        ("training.batch_size", 1),
        ("training.learning_rate", 2e-6),
        ("training.lr_scheduler", "constant"),
        ("training.precision", "fp32"),
    ],
)
def test_what_is_not_given_is_what_the_trainer_takes(place: str, becomes: object) -> None:
    """sd-scripts' own defaults are filled in, as a job's are others, and every one is told."""
    imported = kohya()
    assert at(imported, place) == becomes
    assert [each.verdict for each in imported.rows if each.to == f"$.{place}"] == ["filled"]


def test_neither_steps_nor_epochs() -> None:
    """Without a length sd-scripts trains 1600 steps."""
    imported = kohya(max_train_steps=None)
    assert at(imported, "training.max_steps") == 1600 and at(imported, "training.epochs") is None


def test_epochs_go_before_steps() -> None:
    """max_train_epochs overrides max_train_steps there, and a job takes one of them."""
    imported = kohya(Request(repeats=1), max_train_epochs="3")
    assert (at(imported, "training.epochs"), at(imported, "training.max_steps")) == (3, None)
    assert row(imported, "max_train_steps").verdict == "dropped"


@pytest.mark.parametrize(("repeats", "epochs", "verdict"), [(1, 3, "kept"), (10, 30, "changed")])
def test_repeats_become_epochs(repeats: int, epochs: int, verdict: str) -> None:
    """An epoch of a folder 10_style sees each picture ten times."""
    imported = kohya(Request(repeats=repeats), max_train_epochs="3")
    assert (at(imported, "training.epochs"), row(imported, "max_train_epochs").verdict) == (epochs, verdict)


def test_repeats_that_nobody_tells() -> None:
    """The folders' names are not in the file, and no consent makes up for a tenth of the training: --repeats or --set
    has to say.
    """
    with pytest.raises(NotImported) as error:
        kohya(max_train_epochs="3")
    assert (row(error.value, "num_repeats").verdict, row(error.value, "num_repeats").to) == (
        "refused",
        "$.training.epochs",
    )
    assert at(kohya(Request(overrides=("training.epochs=12",)), max_train_epochs="3"), "training.epochs") == 12


@pytest.mark.parametrize(
    ("keys", "rate", "lost"),
    [
        ({"unet_lr": "1e-4", "learning_rate": "1e-3"}, 1e-4, []),
        ({"learning_rate": "1e-3"}, 1e-3, []),
        ({"unet_lr": "1e-4", "text_encoder_lr": "1e-5"}, 1e-4, []),
        ({"unet_lr": "1e-4", "text_encoder_lr": "1e-5", "network_train_unet_only": "false"}, 1e-4, ["text_encoder_lr"]),
        (
            {"unet_lr": "1e-4", "text_encoder_lr": "[1e-5, 0]", "network_train_unet_only": None},
            1e-4,
            ["text_encoder_lr"],
        ),
        ({"unet_lr": "1e-4", "text_encoder_lr": "0", "network_train_unet_only": "false"}, 1e-4, []),
        ({"unet_lr": "1e-4", "network_train_unet_only": None}, 1e-4, ["network_train_unet_only"]),
    ],
)
def test_learning_rates(keys: dict[str, str | None], rate: float, lost: list[str]) -> None:
    """The UNet's rate goes before the common one, and a text encoder that learned too is a loss."""
    imported = kohya(**keys)
    assert at(imported, "training.learning_rate") == rate
    assert [each.key for each in imported.rows if each.verdict == "lost"] == lost


@pytest.mark.parametrize(
    ("keys", "known"),
    [
        ({"lr_scheduler": '"cosine_with_restarts"', "lr_scheduler_num_cycles": "3"}, "cosine"),
        ({"lr_scheduler": '"polynomial"', "lr_scheduler_power": "2.0"}, "linear"),
    ],
)
def test_a_schedule_that_bends_is_lost(keys: dict[str, str | None], known: str) -> None:
    """Several restarts, or another power, have no counterpart; the nearest schedule is taken."""
    imported = kohya(**keys)
    assert at(imported, "training.lr_scheduler") == known
    assert row(imported, "lr_scheduler").verdict == "lost"


def test_a_share_of_unknown_steps() -> None:
    """A warm-up as a share needs the number of steps, which epochs don't tell; --set gives it."""
    keys: dict[str, str | None] = {"lr_warmup_steps": "0.1", "max_train_epochs": "3", "max_train_steps": None}
    assert row(kohya(Request(repeats=1, allow_lost=True), **keys), "lr_warmup_steps").verdict == "lost"
    chosen = kohya(Request(repeats=1, overrides=("training.warmup_steps=7",)), **keys)
    assert (at(chosen, "training.warmup_steps"), row(chosen, "lr_warmup_steps").verdict) == (7, "changed")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"v2": "true"}, "v2"),
        ({"model_train_type": '"flux-lora"'}, "model_train_type"),
        ({"network_module": '"lycoris.kohya"'}, "network_module"),
        ({"network_train_text_encoder_only": "true"}, "network_train_text_encoder_only"),
        ({"optimizer_type": '"Prodigy"'}, "optimizer_type"),
        ({"use_lion_optimizer": "true"}, "use_lion_optimizer"),
        ({"caption_extension": '".cap"'}, "caption_extension"),
        ({"in_json": '"/data/meta.json"'}, "in_json"),
        ({"dataset_config": '"/data/dataset.toml"'}, "dataset_config"),
        ({"base_weights": '["/a.safetensors"]'}, "base_weights"),
        ({"ui_custom_params": '"clip_skip = 2"'}, "ui_custom_params"),
        ({"t5xxl": '"/models/t5"'}, "t5xxl"),
    ],
)
def test_what_would_train_something_else_is_refused(keys: dict[str, str | None], key: str) -> None:
    """No consent helps: the file has to say something else."""
    with pytest.raises(NotImported) as error:
        kohya(**keys)
    assert row(error.value, key).verdict == "refused"
    assert error.value.code == 65


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("network_dim", '"many"', r'network_dim = "many" is no whole number'),
        ("network_dim", "true", r"network_dim = true is no whole number"),
        ("unet_lr", "nan", r"unet_lr = NaN is no number"),
        ("unet_lr", "inf", r"unet_lr = Infinity is no number"),
        ("unet_lr", "[1]", r"unet_lr = \[1\] is no number"),
        ("lr_scheduler", '"sawtooth"', r'lr_scheduler = "sawtooth" is none of constant, linear, cosine'),
        ("lr_warmup_steps", "1.5", r"lr_warmup_steps = 1.5 is a share of all steps where it has a point"),
        ("mixed_precision", '"fp8"', r'mixed_precision = "fp8" is none of no, fp16, bf16'),
        ("resolution", '"a,b"', r'resolution = "a,b" is no size of pictures'),
        ("resolution", "[1, 2, 3]", r"resolution = \[1, 2, 3\] is no size of pictures"),
        ("output_name", '"图片"', r"output_name: it has no letter or digit"),
        ("network_train_unet_only", '"perhaps"', r'network_train_unet_only = "perhaps" is neither true nor false'),
        ("pretrained_model_name_or_path", "true", r"pretrained_model_name_or_path = true is no text"),
    ],
)
def test_a_value_that_cannot_be_read(key: str, value: str, told: str) -> None:
    """The key, its value and what it should be."""
    with pytest.raises(NotImported) as error:
        kohya(**{key: value})
    assert [problem for problem in error.value.problems if re.match(told, problem)] != [], error.value.problems


def test_a_fault_of_the_job_names_both_keys() -> None:
    """What only the job's schema knows is told with the foreign key and the place in the job."""
    with pytest.raises(NotImported) as error:
        kohya(network_dim="5000", output_dir='"/data/style/out"')
    assert error.value.problems == (
        "network_dim -> $.lora.rank: 5000 is more than the maximum 1024; give 1 to 1024",
        'output_dir -> $.output.uri: "/data/style/out" lies in the input $.data.uri; give a place of its own, else '
        "results become input",
    )


@pytest.mark.parametrize("key", ["pretrained_model_name_or_path", "train_data_dir", "output_dir"])
def test_a_key_without_which_there_is_no_job(key: str) -> None:
    """The trainer's own name for what is missing, and how to give it."""
    with pytest.raises(NotImported) as error:
        kohya(**{key: None})
    assert len(error.value.problems) == 1
    assert re.match(rf"{key} is not given, and no job can do without; add it, or --set \S+=", error.value.problems[0])


def test_another_task_is_refused() -> None:
    """sd-scripts trains pictures alone."""
    with pytest.raises(NotImported) as error:
        kohya(Request(task="text-generation"))
    assert error.value.problems == ("--task text-generation: this trainer's files are text-to-image; leave it out",)


def test_an_override_goes_before_a_refusal() -> None:
    """--set of the place that a key would fill makes it the user's choice."""
    imported = kohya(Request(overrides=("data.metadata=captions.jsonl",)), in_json='"/data/meta.json"')
    assert at(imported, "data.metadata") == "captions.jsonl"
    assert row(imported, "in_json").verdict == "changed"


def test_a_preset_of_the_page_of_kohya_ss() -> None:
    """Its own presets are no configuration of the trainer: where that lies is said, not a hundred unknown keys."""
    with pytest.raises(DataInvalid, match=r"preset of the page of kohya_ss.*config_lora-\*\.toml"):
        convert(Source("style.json", b'{"LoRA_type": "Standard", "train_batch_size": 1, "epoch": 10}'), Request())


@pytest.mark.parametrize(
    ("base", "other"),
    [
        ("hf://stabilityai/stable-diffusion-xl-base-1.0", True),
        ("/m/sd_xl_base_1.0.safetensors", True),
        ("/m/animeboysXL_v20.safetensors", True),
        ("/m/flux1-dev.safetensors", True),
        ("/m/v2-1_768-ema-pruned.safetensors", True),
        ("/m/v1-5-pruned.safetensors", False),
        ("hf://org/realisticVision-v2-0-1.5", False),
        ("/m/sd15-v2.safetensors", False),
        ("/flux/sdxl/v1-5-pruned.safetensors", False),
    ],
)
def test_a_base_of_another_family(base: str, other: bool) -> None:
    """What is named like SDXL, Flux or Stable Diffusion 2 is warned of before a GPU is rented for it."""
    imported = kohya(pretrained_model_name_or_path=f'"{base}"')
    assert [told for told in imported.warnings if "not trained yet" in told] == list(imported.warnings)
    assert bool(imported.warnings) == other
