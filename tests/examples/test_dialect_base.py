"""The dialect demo's base model is found in its packages, converted bit for bit, and placed where the job looks."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import AutoTokenizer, WhisperForConditionalGeneration

from tests.support.ctranslate2_whisper import Variables, model_bin, packaged_files, whisper_variables
from tests.support.tiny_whisper import write_tiny_whisper

DIALECT = Path(__file__).parents[2] / "examples" / "dialect"
PACKAGES = ("dialect_model_part1", "dialect_model_part2")
Pack = Callable[[bytes], None]


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """``examples/dialect/base.py`` as a module that looks for its model in other packages."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(DIALECT)
    spec = importlib.util.spec_from_file_location("dialect_base", DIALECT / "base.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PACKAGES", PACKAGES)
    yield module
    for name in {"ct2", "whisper_files", "whisper_weights"} - known:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Whisper as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("tiny-whisper")
    write_tiny_whisper(folder)
    return folder


@pytest.fixture
def variables(tiny: Path) -> Variables:
    """Its variables under CTranslate2's names."""
    return whisper_variables(tiny)


@pytest.fixture
def pack(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    """Puts a ``model.bin`` into two packages that cannot be imported, cut in the middle."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)

    def write(model: bytes) -> None:
        half = len(model) // 2
        contents = {**packaged_files(tiny), "model.bin.part1": model[:half]}, {"model.bin.part2": model[half:]}
        for package, files in zip(PACKAGES, contents, strict=True):
            (site / package / "data").mkdir(parents=True)
            (site / package / "__init__.py").write_text("raise ImportError('located, never imported')\n")
            for name, data in files.items():
                (site / package / "data" / name).write_bytes(data)

    return write


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_converted_model_is_the_same_model(
    base: ModuleType, pack: Pack, variables: Variables, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every weight is the original's in float16, bit for bit, and the library finds neither too few nor too many."""
    pack(model_bin(variables, aliases={"decoder/projection/weight": "decoder/embeddings/weight"}))
    folder = tmp_path / "models" / "whisper"

    assert base.main([str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    original, found = load_file(tiny / "model.safetensors"), load_file(folder / "model.safetensors")
    expected = {name: value.astype(np.float16) for name, value in original.items() if name != "proj_out.weight"}
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name].tobytes() != found[name].tobytes()] == []
    _, report = WhisperForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_the_converted_tokenizer_is_the_same_tokenizer(
    base: ModuleType, pack: Pack, variables: Variables, tiny: Path, tmp_path: Path
) -> None:
    """Texts, languages, tasks and times get the original's tokens, though the packages name no token of time."""
    pack(model_bin(variables))
    assert base.main([str(tmp_path / "whisper")]) == 0
    original, found = (AutoTokenizer.from_pretrained(folder) for folder in (tiny, tmp_path / "whisper"))
    for tokenizer in (original, found):
        tokenizer.set_prefix_tokens(language="de", task="translate", predict_timestamps=True)
    text = "<|0.00|> the Größe<|29.98|>"
    assert found(text).input_ids == original(text).input_ids
    assert (
        found("x").input_ids[0] == json.loads((tmp_path / "whisper/config.json").read_text())["decoder_start_token_id"]
    )
    settings = json.loads((tmp_path / "whisper/generation_config.json").read_text())
    before = json.loads((tiny / "generation_config.json").read_text())
    assert {name: settings[name] for name in ("lang_to_id", "task_to_id")} == {
        name: before[name] for name in ("lang_to_id", "task_to_id")
    }


def test_conversion_gives_the_same_bytes_every_time(
    base: ModuleType, pack: Pack, variables: Variables, tmp_path: Path
) -> None:
    """Two conversions agree in every byte: the job pins the folder's digest."""
    pack(model_bin(variables))
    assert base.main([str(tmp_path / "one")]) == base.main([str(tmp_path / "two")]) == 0
    assert set(contents(tmp_path / "one")) == set(base.NAMES)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_whole_folder_is_kept_and_half_a_one_replaced(
    base: ModuleType, pack: Pack, variables: Variables, tmp_path: Path
) -> None:
    """A folder with every file stays as it is; one that lacks a file is written anew, and nothing else stays."""
    pack(model_bin(variables))
    folder = tmp_path / "whisper"
    assert base.main([str(folder)]) == 0
    (folder / "config.json").write_bytes(b"mine")
    assert base.main([str(folder)]) == 0 and (folder / "config.json").read_bytes() == b"mine"
    (folder / "merges.txt").unlink()
    assert base.main([str(folder)]) == 0 and (folder / "config.json").read_bytes() != b"mine"
    assert set(contents(folder)) == set(base.NAMES)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda v: model_bin(v, version=5), "binary version 5, and only 6", id="version"),
        pytest.param(lambda v: model_bin(v, kind="TransformerSpec"), "a TransformerSpec, not a Whisper", id="kind"),
        pytest.param(lambda v: model_bin(v) + b"abc", "3 bytes are left over", id="left over"),
        pytest.param(lambda v: model_bin(v)[:-9], "in the middle of a variable", id="cut short"),
        pytest.param(
            lambda v: model_bin({k: a for k, a in v.items() if k != "encoder/conv1/bias"}),
            "the variable encoder/conv1/bias is missing",
            id="missing",
        ),
        pytest.param(
            lambda v: model_bin(v | {"encoder/gate/weight": np.ones(2, np.float16)}),
            "no variable encoder/gate/weight",
            id="unknown",
        ),
        pytest.param(
            lambda v: model_bin(v | {"encoder/conv2/weight": v["encoder/conv2/weight"].astype(np.int8)}),
            "encoder/conv2/weight is stored as int8",
            id="quantised",
        ),
        pytest.param(
            lambda v: model_bin(
                v | {"decoder/layer_0/attention/linear_1/bias": v["decoder/layer_0/attention/linear_1/bias"] + 1}
            ),
            "decoder/layer_0/attention/linear_1 has a bias for its keys",
            id="key bias",
        ),
    ],
)
def test_another_model_is_refused_in_one_sentence(
    base: ModuleType,
    pack: Pack,
    variables: Variables,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Variables], bytes],
    message: str,
) -> None:
    """A file of another version, kind or content ends with 1 and says what is wrong; no folder is made."""
    pack(spoil(variables))

    assert base.main([str(tmp_path / "whisper")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("model.bin: ") and error.count("\n") == 1 and message in error
    assert list(tmp_path.glob("whisper*")) == []


def test_missing_packages_name_the_fix(
    base: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the packages the exit is 1 with one line that names the make target, and nothing is created."""
    monkeypatch.setattr(base, "PACKAGES", ("dialect_package_that_is_not_here",))

    assert base.main([str(tmp_path / "whisper")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "make setup-speech" in error
    assert not (tmp_path / "whisper").exists()


def test_the_job_looks_where_the_model_is_placed(base: ModuleType) -> None:
    """The job's ``model.base`` is the default folder of the script."""
    job = json.loads((DIALECT / "job.json").read_text(encoding="utf-8"))

    assert job["model"]["base"] == base.FOLDER.as_posix()
