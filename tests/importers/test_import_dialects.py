"""Which configuration a file is, and unknown keys with the one that was meant."""

from typing import Any

import pytest

from loraruner.errors import DataInvalid
from loraruner.importers import NotImported, Request, Source, convert
from loraruner.importers.dialects import tell
from loraruner.importers.keys import Key
from loraruner.importers.unknown import MAX_TOLD, problems
from tests.support.imports import kohya, lora_scripts


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        ({"base_model": "x", "learning_rate": 1}, "lora-scripts-yaml"),
        ({"data": {"train_data_dir": "x"}, "model": {"lora_rank": 1}}, "lora-scripts-yaml"),
        ({"pretrained_model_name_or_path": "x", "learning_rate": 1, "train_data_dir": "y"}, "kohya"),
        ({"any": {"network_dim": 1}}, "kohya"),
        ({"optimizer": {"unet_lr": 1, "lr_restart_cycles": 1}}, "lora-scripts-toml"),
        ({"model_train_type": "sd-lora", "network_dim": 1}, "lora-scripts-toml"),
        ({"general": {}, "datasets": []}, "kohya-dataset"),
        ({"base_model": "x", "train_data_dir": "y", "network_dim": 1}, "lora-scripts-yaml"),
        ({"train_data_dir": "y", "output_dir": "z"}, "kohya"),
        ({"datasets": []}, "kohya-dataset"),
        ({"general": {"shuffle_caption": True}}, "kohya-dataset"),
        ({"foo": 1, "bar": {"baz": 2}}, None),
    ],
)
def test_keys_tell_what_a_file_is(tree: dict[str, Any], name: str | None) -> None:
    """The dialect that knows the most keys."""
    found = tell(tree)
    assert (found.name if found else None) == name


def test_no_dialect_at_all() -> None:
    """65 that names what can be imported."""
    with pytest.raises(DataInvalid) as error:
        convert(Source("c.yaml", b"services: {web: {image: nginx}}"), Request())
    for name in ("lora-scripts-yaml", "kohya", "lora-scripts-toml", "kohya-dataset", "--dialect"):
        assert name in str(error.value)


def test_the_dialect_can_be_said() -> None:
    """--dialect goes before what the keys tell: then keys of the other are unknown."""
    with pytest.raises(NotImported) as error:
        kohya(Request(dialect="lora-scripts-yaml"))
    told = "unknown key network_train_unet_only: no setting of this trainer; remove it (docs/import.md lists all)"
    assert told in error.value.problems


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("network_dims", "network_dim"),
        ("networkDim", "network_dim"),
        ("lora_rank", "network_dim"),
        ("rank", "network_dim"),
        ("batch_size", "train_batch_size"),
        ("base_model", "pretrained_model_name_or_path"),
        ("lr_restart_cycle", "lr_scheduler_num_cycles"),
        ("lr-scheduler", "lr_scheduler"),
        ("num_epochs", "max_train_epochs"),
        ("gradient_acumulation_steps", "gradient_accumulation_steps"),
    ],
)
def test_did_you_mean_of_sd_scripts(key: str, meant: str) -> None:
    """A typing error, another trainer's name, our own name, and never a dead key."""
    with pytest.raises(NotImported) as error:
        kohya(**{key: "1"})
    assert error.value.problems == (f"unknown key {key} - did you mean {meant}?",)


@pytest.mark.parametrize(
    ("key", "meant"),
    [("lora_alpha", "alpha"), ("epoch", "epochs"), ("network_dim", "lora_rank"), ("metadata", "metadata_path")],
)
def test_did_you_mean_of_lora_scripts(key: str, meant: str) -> None:
    """The same for its YAML."""
    with pytest.raises(NotImported) as error:
        lora_scripts(**{key: "1"})
    assert error.value.problems == (f"unknown key {key} - did you mean {meant}?",)


def test_all_unknown_keys_are_told_at_once() -> None:
    """Every one with its own line, beside all other problems."""
    with pytest.raises(NotImported) as error:
        kohya(foo="1", network_dims="2", unet_lr='"fast"')
    assert [problem.split()[2] for problem in error.value.problems[:2]] == ["foo:", "network_dims"]
    assert error.value.problems[2].startswith("unet_lr")


def test_hostile_keys() -> None:
    """A key that holds a credential is hidden, a huge one is cut, and thousands are counted."""
    keys: dict[str, Key] = {}
    told = problems([("", "hf_" + "a" * 30), ("", "x" * 1000), ("", "a\x1bb")], keys, keys)
    assert "hf_a" not in told[0] and len(told[1]) < 200 and "\x1b" not in told[2]
    many = problems([("", f"k{number}") for number in range(MAX_TOLD + 5)], keys, keys)
    assert len(many) == MAX_TOLD + 1 and many[-1] == "and 5 more unknown keys"
