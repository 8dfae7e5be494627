"""Bases that are not of this family, or hostile, are refused in one sentence with the fix."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from loraruner.errors import DataInvalid
from loraruner.families.causal_lm.base_check import GGUF_ARCHITECTURES, check_base


def change(name: str, **changes: object) -> Callable[[Path], None]:
    """An edit that sets keys of a JSON file of the base."""

    def edit(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def shards(*names: str) -> Callable[[Path], None]:
    """An edit that replaces the weights by an index of ``names``, of which only a.safetensors is there."""

    def edit(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "a.safetensors")
        weight_map = {f"t{place}": name for place, name in enumerate(names)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return edit


def add(name: str, text: str = "{}") -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / name).write_text(text)

    return edit


def remove(*names: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return edit


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    """A base of this test's own."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "base"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            change("config.json", auto_map={"AutoModel": "x--y.Z"}),
            r"config\.json: \$\.auto_map\.AutoModel asks for",
        ),
        (change("tokenizer_config.json", auto_map={"AutoTokenizer": ["a", None]}), "asks for remote code"),
        (add("modeling_x.py", ""), r"modeling_x\.py: the base model brings code"),
        (
            change("config.json", sub={"weights": "/etc/passwd"}),
            r"\$\.sub\.weights = '/etc/passwd' points outside",
        ),
        (change("config.json", a=["../b"]), r"\$\.a\[0\] = '\.\./b' points outside"),
        (change("config.json", a="https://x/y"), "points outside"),
        (change("tokenizer_config.json", vocab_file="../../x"), r"\$\.vocab_file .* points outside"),
        (change("config.json", attn_implementation="org/kernel"), "asks for a downloaded kernel"),
        (
            change("config.json", architectures=["BertModel"]),
            "names BertModel, which is no causal language model",
        ),
        (change("config.json", architectures=None), r"names \(none\)"),
        (
            change("config.json", architectures=["WhisperForConditionalGeneration"], is_encoder_decoder=True),
            r"names WhisperForConditionalGeneration, which is an encoder-decoder.*task is automatic-speech-recognition",
        ),
        (change("config.json", quantization_config={"quant_method": "gptq"}), "quantised for inference"),
        (add("config.json", "[1]"), "holds no JSON object"),
        (add("config.json", "{"), "not JSON"),
        (add("model_index.json"), "Stable Diffusion base, whose task is text-to-image"),
        (add("adapter_config.json"), "holds a LoRA adapter"),
        (remove("config.json"), r"has no config\.json"),
        (remove("tokenizer.json"), "has no tokenizer"),
        (remove("model.safetensors"), r"has neither model\.safetensors nor"),
        (cut_weights, "the file is cut"),
        (only_a_pickle, r"pytorch_model\.bin: \.bin files are pickles"),
        (shards("a.safetensors", "b.safetensors"), r"b\.safetensors: named by .* and missing"),
        (shards("../a.safetensors"), r"names '\.\./a\.safetensors'"),
        (shards("a.bin"), r"names 'a\.bin'"),
        (shards(), r"\$\.weight_map is not"),
        (
            lambda folder: [(folder / n).write_bytes(b"") for n in ("a.gguf", "b.gguf")],
            r"holds 2 \.gguf files",
        ),
    ],
)
def test_a_base_that_cannot_be_trained_is_refused(copy: Path, edit: Callable[[Path], None], message: str) -> None:
    """Code, ways out of the folder, other architectures, cut or missing files: each by its own sentence."""
    edit(copy)
    with pytest.raises(DataInvalid, match=message):
        check_base(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda folder: None,
        shards("a.safetensors"),
        change("config.json", _name_or_path="/home/someone/checkpoint"),
        change("tokenizer_config.json", special_tokens_map_file="/home/x/.cache/y", name_or_path="/z"),
        add("training_args.bin", "x"),
    ],
)
def test_a_sound_base_passes(copy: Path, edit: Callable[[Path], None]) -> None:
    """One file or shards, paths of whoever trained it, and files that loading never reads are no faults."""
    edit(copy)
    check_base(copy)


def test_single_files_are_told_apart(tmp_path: Path) -> None:
    """A Stable Diffusion checkpoint, a lone safetensors file and a pickle get different sentences."""
    paths = {name: tmp_path / name for name in ("sd.safetensors", "lone.safetensors", "x.ckpt")}
    save_file({"model.diffusion_model.out.0.bias": np.zeros(2)}, paths["sd.safetensors"])
    save_file({"lm_head.weight": np.zeros(2)}, paths["lone.safetensors"])
    paths["x.ckpt"].write_bytes(b"")
    for name, message in zip(paths, ("Stable Diffusion", "a single file without", "pickles"), strict=True):
        with pytest.raises(DataInvalid, match=message):
            check_base(paths[name])


def test_a_gguf_of_another_kind_is_refused(tmp_path: Path) -> None:
    """An encoder's GGUF and one without a tokenizer are named as such; other letters are no GGUF."""
    path = tmp_path / "x.gguf"

    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    def gguf(architecture: str) -> bytes:
        counts = (3).to_bytes(4, "little") + bytes(8) + (1).to_bytes(8, "little")
        return b"GGUF" + counts + text("general.architecture") + (8).to_bytes(4, "little") + text(architecture)

    for content, message in (
        (gguf("bert"), "its architecture 'bert' is none of"),
        (gguf("llama"), "holds no tokenizer"),
        (b"GGML" + bytes(40), "does not start with the letters GGUF"),
        (b"GGUF" + (9).to_bytes(4, "little"), "version 9 is none of"),
        (b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16, "claims"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataInvalid, match=message):
            check_base(path)


def test_every_gguf_architecture_is_one_that_transformers_reads() -> None:
    """The allow-list promises nothing that the conversion could not do."""
    assert set(GGUF_SUPPORTED_ARCHITECTURES) >= GGUF_ARCHITECTURES


def test_checking_a_base_imports_no_torch(tiny_folder: Path) -> None:
    """The family is named and a folder checked in a process that never loads torch or transformers."""
    code = (
        "import sys; from pathlib import Path; from loraruner.families.causal_lm import FAMILY; "
        "FAMILY.check_base(Path(sys.argv[1])); "
        "sys.exit(bool({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tiny_folder)], check=False).returncode == 0
