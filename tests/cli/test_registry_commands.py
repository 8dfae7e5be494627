"""The commands of the registry as people type them: results, tables, CSV, exit codes."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import published, registered
from tests.support.user import User


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two published versions, one of them of a team, and a run that diverged."""
    published.publish_version(tmp_path / "loras", run="neon-style-1")
    registered.write_version(tmp_path / "loras", "pixel-hero", labels={"team": "=cmd|' /C calc'!A0"})
    registered.write_failure(tmp_path / "loras")
    return tmp_path / "loras"


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setenv("USER", "ada")
    return User(capsys)


def names(user: User, *arguments: str | Path) -> list[str]:
    told = user.run("registry", *arguments)
    assert told.code == 0, told.err
    return [f"{row['name']} {row['version'] or row['state']}" for row in told.result["versions"]]


def test_list_and_search(output: Path, user: User) -> None:
    """Filters, failed runs and words choose the rows."""
    assert names(user, "list", output) == ["neon-style 1", "pixel-hero 1"]
    assert names(user, "list", output, "--all-runs") == ["neon-style 1", "neon-style diverged", "pixel-hero 1"]
    assert names(user, "list", output, "--name", "pixel-*", "--metric", "rank<9") == ["pixel-hero 1"]
    assert names(user, "search", output, "HERO") == ["pixel-hero 1"]
    told = user.run("registry", "list", output, "--team", "nobody")
    assert told.result == {"versions": []} and "none of the 2 is of that kind" in told.err


def test_csv_has_no_formula(output: Path, user: User) -> None:
    """What a spreadsheet would run has an apostrophe before it; numbers stay numbers."""
    told = user.run("registry", "list", output, "--format", "csv")
    _, row = csv.DictReader(io.StringIO(told.out))
    assert row["team"] == row["label.team"] == "'=cmd|' /C calc'!A0"
    assert (row["name"], row["version"], row["last_loss"], row["latest"]) == ("pixel-hero", "1", "0.0912", "yes")


def test_secrets_are_struck_from_rows(output: Path, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that this process must not show is not shown, also where rows are printed quickly."""
    monkeypatch.setenv("CLICKUP_TOKEN", "pixel-hero")
    for form in ("json", "csv", "table"):
        told = user.run("registry", "list", output, "--format", form)
        assert "pixel-hero" not in told.out and "neon-style" in told.out


def test_a_filter_that_is_none(user: User, tmp_path: Path) -> None:
    """64 before anything is read, also where the address is wrong."""
    told = user.run("registry", "list", tmp_path / "typo", "--metric", "speed")
    assert told.code == 64 and told.last.startswith("error 64 SPEC_INVALID: --metric: 'speed'")


def test_the_life_of_a_version(output: Path, user: User, tmp_path: Path) -> None:
    """Reviewed, released, pulled, archived; who is $USER unless --by says otherwise."""
    version = f"{output}/neon-style/versions/1"
    told = user.run("registry", "promote", version, "released")
    assert told.code == 73 and "can't become released: nobody has approved it" in told.last
    assert user.run("registry", "review", version, "--approve", "--score", "4.5").result["status"] == "approved"
    assert user.run("registry", "promote", version, "released", "--by", "grace").result["status"] == "released"
    pulled = user.run("registry", "pull", f"{output}/neon-style", "--to", tmp_path / "here")
    assert pulled.result["version"] == "1" and (tmp_path / "here/manifest.json").is_file()
    life = user.run("registry", "show", version).result["life"]
    assert (life["reviews"][0]["by"], life["promotions"][0]["by"]) == ("ada", "grace")
    table = user.run("registry", "show", version, "--format", "table").out
    assert "approved" in table and "grace" in table
    assert user.run("registry", "promote", version, "archived").result["status"] == "archived"
    assert user.run("registry", "pull", f"{output}/neon-style", "--to", tmp_path / "there").code == 66


def test_wrong_usage(output: Path, user: User) -> None:
    """2 for what the command line does not know, 64 for a review that says nothing or by nobody."""
    version = f"{output}/neon-style"
    assert user.run("registry", "promote", version, "famous").code == 2
    assert user.run("registry", "review", version, "--score", "9").code == 2
    assert user.run("registry", "review", version).code == 64
    assert user.run("registry", "review", version, "--approve", "--by", "").code == 64


def test_an_expired_licence_is_told(tmp_path: Path, user: User) -> None:
    """In the table of show, and as a warning when it is pulled."""
    published.publish_version(tmp_path / "loras")
    path = tmp_path / "loras/neon-style/versions/1/manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(published.signed({**manifest, "labels": {"expires": "2020-01-01"}})))
    table = user.run("registry", "show", f"{tmp_path}/loras/neon-style", "--format", "table").out
    assert "expired on 2020-01-01" in " ".join(table.split())
    told = user.run("registry", "pull", f"{tmp_path}/loras/neon-style@1", "--to", tmp_path / "here")
    assert told.code == 0 and "labels.expires is 2020-01-01" in told.result["warnings"][0]


def test_stats_and_compare(output: Path, user: User, tmp_path: Path) -> None:
    """Numbers as JSON and as tables, and a page for each."""
    told = user.run("registry", "stats", output, "--by", "team", "--html", tmp_path / "d.html")
    assert (told.result["runs"], told.result["versions"], list(told.result["by"])) == (3, 2, ["team"])
    assert "<svg" in (tmp_path / "d.html").read_text() and f"wrote {tmp_path / 'd.html'}" in told.err
    assert "by team" in user.run("registry", "stats", output, "--format", "table").out
    pair = (f"{output}/neon-style@1", f"{output}/pixel-hero@1")
    told = user.run("registry", "compare", *pair, "--html", tmp_path / "c.html")
    assert {"path": "$.name", "a": "neon-style", "b": "pixel-hero", "same": False} in told.result["spec"]
    assert "pixel-hero 1" in (tmp_path / "c.html").read_text()
    assert "$.name" in user.run("registry", "compare", *pair, "--format", "table").out


def test_sync(output: Path, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns that are named are asked for, and the scores arrive."""
    from loraruner.notifiers import smartsheet

    asked: list[object] = []

    def read(sheet_id: int, settings: object, **titles: str) -> dict[str, float]:
        asked.extend([sheet_id, titles])
        return {"neon-style-1": 5.0}

    monkeypatch.setattr(smartsheet, "read_scores", read)
    told = user.run("registry", "sync", output, "--sheet", "7", "--score-column", "Stars")
    assert told.result["added"] == 1 and asked == [7, {"score_title": "Stars"}]
    assert user.run("registry", "show", f"{output}/neon-style").result["life"]["reviews"][0]["by"] == "smartsheet:7"


def test_reindex(output: Path, user: User) -> None:
    """It says what is in the index."""
    told = user.run("registry", "reindex", output)
    assert told.result == {"uri": str(output), "runs": 3, "versions": 2, "names": 2}


def test_a_list_is_light(output: Path) -> None:
    """``registry list`` loads neither torch nor what draws pages."""
    code = (
        "import sys; from loraruner.cli import run; "
        f"run(['registry', 'list', {str(output)!r}, '--format', 'json']); "
        "print([name for name in ('torch', 'matplotlib', 'PIL', 'numpy', 'smartsheet') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"
