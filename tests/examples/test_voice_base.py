"""The voice demo's base model is found in its package and placed where the job looks for it."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

VOICE = Path(__file__).parents[2] / "examples" / "voice"


@pytest.fixture
def base() -> ModuleType:
    """``examples/voice/base.py`` as a module."""
    spec = importlib.util.spec_from_file_location("voice_base", VOICE / "base.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(base: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that cannot be imported and holds eight bytes under the model's name."""
    folder = tmp_path / "site" / "voice_model_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('needs a library that is not here')\n")
    (folder / base.GGUF).write_bytes(b"GGUF-abc")
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setattr(base, "PACKAGE", folder.name)
    return folder


def test_places_the_model_without_importing_the_package(
    base: ModuleType, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is copied from a package that cannot be imported; its path is printed, no partial stays."""
    folder = tmp_path / "models" / "voice"

    assert base.main([str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / base.GGUF}\n"
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(base.GGUF, b"GGUF-abc")]


def test_replaces_a_copy_of_another_size(base: ModuleType, package: Path, tmp_path: Path) -> None:
    """A copy that is shorter than the packaged file is written again."""
    (tmp_path / base.GGUF).write_bytes(b"GGUF")

    assert base.main([str(tmp_path)]) == 0
    assert (tmp_path / base.GGUF).read_bytes() == b"GGUF-abc"


def test_missing_package_names_the_fix(
    base: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the package the exit is 1 with one line that names the make target, and nothing is created."""
    monkeypatch.setattr(base, "PACKAGE", "voice_package_that_is_not_here")

    assert base.main([str(tmp_path / "voice")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "make setup-voice" in error
    assert not (tmp_path / "voice").exists()


def test_job_looks_where_the_model_is_placed(base: ModuleType) -> None:
    """The job's ``model.base`` is the default folder and file name of the script."""
    job = json.loads((VOICE / "job.json").read_text(encoding="utf-8"))

    assert job["model"]["base"] == (base.FOLDER / base.GGUF).as_posix()
