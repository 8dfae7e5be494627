"""``registry`` and ``adapter`` on the command line: one JSON object, tables for people, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from loraruner.cli import run
from tests.support import published


@pytest.fixture
def output(tmp_path: Path) -> Path:
    published.publish_version(tmp_path / "loras")
    return tmp_path / "loras"


def test_list(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``registry list`` prints one JSON object with one row a version."""
    assert run(["registry", "list", str(output)]) == 0
    rows = json.loads(capsys.readouterr().out)["versions"]
    assert [(row["name"], row["version"], row["latest"]) for row in rows] == [("neon-style", "1", True)]


def test_list_as_a_table(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people names the version, marks the latest and rounds the numbers."""
    assert run(["registry", "list", str(output), "--format", "table"]) == 0
    words = capsys.readouterr().out.replace("│", " ").split()
    assert {"neon-style", "1", "(latest)", "candidate", "0.0912", "0.0973"} <= set(words)


def test_list_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address without versions is an empty list, said on stderr."""
    assert run(["registry", "list", str(tmp_path / "typo")]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"versions": []}
    assert err == f"no version is published in {tmp_path / 'typo'}\n"


def test_show(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``registry show`` prints the whole manifest with address, latest flag and life."""
    assert run(["registry", "show", f"{output}/neon-style"]) == 0
    shown = json.loads(capsys.readouterr().out)
    manifest = json.loads((output / "neon-style/versions/1/manifest.json").read_text())
    life: dict[str, Any] = {
        "status": "candidate",
        "score": None,
        "rejected_since": False,
        "reviews": [],
        "promotions": [],
    }
    assert shown == {"uri": f"{output}/neon-style/versions/1", "latest": True, "life": life, **manifest}


def test_show_as_a_table(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has the facts, the adapters and the files."""
    assert run(["registry", "show", f"{output}/neon-style", "--format", "table"]) == 0
    out = capsys.readouterr().out
    assert "0.213 → 0.0912" in out and "pytorch_lora_weights.safetensors" in out and "samples/sheet.png" in out


def test_the_table_names_the_licence_of_the_data(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the job named one; a line without an answer would tell nothing."""
    path = output / "neon-style/versions/1/manifest.json"
    for licence, told in ((None, False), ("CC-BY-4.0", True)):
        manifest = json.loads(path.read_text())
        manifest["data"]["license"] = licence
        path.write_text(json.dumps(published.signed(manifest)))
        assert run(["registry", "show", f"{output}/neon-style", "--format", "table"]) == 0
        out = capsys.readouterr().out
        assert ("licence" in out) is told and ("CC-BY-4.0" in out) is told


def test_show_of_a_version_that_is_not_there(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A version that does not exist is 66, one line with those that do."""
    assert run(["registry", "show", f"{output}/neon-style/versions/9"]) == 66
    assert capsys.readouterr().err.endswith(f"give one of versions/{{1}} in {output}/neon-style\n")


def test_verify(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``adapter verify`` says what it verified; after one changed byte it names the file and exits with 74."""
    assert run(["adapter", "verify", f"{output}/neon-style"]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    weights = output / "neon-style/versions/1/neon-style.safetensors"
    weights.write_bytes(b"X" + weights.read_bytes()[1:])
    assert run(["adapter", "verify", f"{output}/neon-style"]) == 74
    out, err = capsys.readouterr()
    assert json.loads(out)["different"] == ["neon-style.safetensors"]
    assert "(1 different), first neon-style.safetensors" in err
