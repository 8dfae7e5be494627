"""What the checks of a Hugging Face folder share: which files are asked, and how much is read of them."""

import json
from pathlib import Path

import pytest

from loraruner.errors import DataInvalid
from loraruner.pretrained import hf_folder


def test_only_the_named_files_are_asked_for_code(tmp_path: Path) -> None:
    """A setting that asks for code is a fault in a file that the family loads, and none in another."""
    (tmp_path / "preprocessor_config.json").write_text('{"auto_map": {"AutoImageProcessor": "x.Y"}}')
    hf_folder.refuse_code(tmp_path, ("config.json",))
    with pytest.raises(DataInvalid, match=r"preprocessor_config\.json: \$\.auto_map\.AutoImageProcessor asks for"):
        hf_folder.refuse_code(tmp_path, ("config.json", "preprocessor_config.json"))


@pytest.mark.parametrize("name", ["num_labels", "num_hidden_layers", "depth"])
def test_settings_that_would_fill_the_memory(tmp_path: Path, name: str) -> None:
    """So many labels or layers, wherever they stand, are refused before anything is made of them."""
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {name: 10**6}}))
    with pytest.raises(DataInvalid, match=rf"\$\.text_config\.{name} = 1,000,000, each of which would take memory"):
        hf_folder.refuse_code(tmp_path, ("config.json",))
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {name: 1000}}))
    hf_folder.refuse_code(tmp_path, ("config.json",))


def test_any_depth_of_settings_is_searched(tmp_path: Path) -> None:
    """A path hidden in hundreds of lists and objects is found, with its place."""
    value: object = "/etc/passwd"
    for _ in range(300):
        value = {"a": [value]}
    (tmp_path / "config.json").write_text(json.dumps(value))
    with pytest.raises(DataInvalid, match=r"\$(\.a\[0\]){300} = '/etc/passwd' points outside"):
        hf_folder.refuse_code(tmp_path, ("config.json",))


def test_a_huge_file_of_settings_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than any real configuration has are refused by their number."""
    monkeypatch.setattr(hf_folder, "MAX_JSON_BYTES", 10)
    (tmp_path / "config.json").write_text('{"a": "long"}')
    with pytest.raises(DataInvalid, match="13 bytes are more than 10"):
        hf_folder.read_json(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("config", "name"),
    [({}, "(none)"), ({"architectures": []}, "(none)"), ({"architectures": "A"}, "A"), ({"architectures": [1]}, "1")],
)
def test_an_architecture_always_has_a_name(config: dict[str, object], name: str) -> None:
    """Whatever config.json holds there, a sentence can name it."""
    assert hf_folder.named_architecture(config) == name
