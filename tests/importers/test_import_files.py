"""Configurations as people have them: each folder of ``tests/imports`` holds one, its job, and each key's verdict.

Keys and values are those of the files that the trainers ship (``config/default.toml`` and ``config/lora.toml`` of
Akegarasu/lora-scripts, the dataset configuration of sd-scripts' documentation).
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from loraruner import spec
from loraruner.importers.reading import Source, read
from tests.support.user import User

FOLDER = Path(__file__).parents[1] / "imports"
CASES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of one configuration, with the working folder in it."""
    folder: Path = FOLDER / request.param
    monkeypatch.chdir(folder)
    return folder


def call(case: Path) -> list[str]:
    arguments = case / "arguments.txt"
    options = shlex.split(arguments.read_text()) if arguments.exists() else []
    return ["import", next(case.glob("config.*")).name, *options]


def test_the_job_is_the_one_that_is_meant(case: Path, user: User) -> None:
    """stdout is the job alone, byte for byte the one beside the configuration, twice in a row."""
    first, second = user.run(*call(case)), user.run(*call(case))
    assert (first.code, first.out) == (0, (case / "job.json").read_text())
    assert (second.out, second.err) == (first.out, first.err)


def test_every_key_has_its_verdict(case: Path, user: User, tmp_path: Path) -> None:
    """Every key is kept, filled, dropped, dead, changed or lost as expected, and each but a kept one says why."""
    told = user.run(*call(case), "--output", tmp_path / "job.json", "--format", "json")
    rows = told.result["keys"]
    verdicts: dict[str, list[str]] = {}
    for row in rows:
        verdicts.setdefault(row["verdict"], []).append(row["key"])
    assert verdicts == json.loads((case / "verdicts.json").read_text())
    assert [row["key"] for row in rows if row["verdict"] != "kept" and not row["reason"]] == []


def test_the_job_validates_and_loads_to_the_same_values(case: Path, user: User, tmp_path: Path) -> None:
    """What the job says is what its typed form holds, and `loraruner validate` accepts it."""
    path = tmp_path / "job.json"
    user.run(*call(case), "--output", path)
    job = json.loads(path.read_text())
    loaded = spec.to_document(spec.load(path.read_bytes()).spec)
    assert differing(job, loaded) == []
    assert user.run("validate", path).code == 0


def differing(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Keys whose value in ``wanted`` is not the one in ``found``."""
    return [
        key
        for key, value in wanted.items()
        if (differing(value, found[key]) if isinstance(value, dict) else value != found[key])
    ]


def test_every_key_of_the_file_is_told(case: Path, user: User) -> None:
    """No key disappears: each that the configuration names stands at the beginning of a line."""
    config = next(case.glob("config.*"))
    tree = read(Source(config.name, config.read_bytes()))
    places = [
        f"{name}.{key}" if isinstance(value, dict) else name
        for name, value in tree.items()
        for key in (value if isinstance(value, dict) else (name,))
    ]
    told = {line.split()[1].rstrip(":") for line in user.run(*call(case)).err.splitlines()}
    assert [place for place in places if place not in told] == []
    assert len(places) >= 9


@pytest.mark.parametrize("name", ["akegarasu-default", "akegarasu-lora"])
def test_the_dead_key_is_named_with_the_one_that_was_meant(name: str, user: User) -> None:
    """lr_restart_cycles, which nothing reads from a file, is told with the key that works."""
    told = user.run("import", FOLDER / name / "config.toml", "--allow-lost", "--repeats", "1")
    assert told.code == 0
    assert "unknown key lr_restart_cycles - did you mean lr_scheduler_num_cycles?" in told.err


def test_without_consent_nothing_is_lost(user: User) -> None:
    """Effects that a job lacks end the command with 65: all are named, and no job is printed."""
    told = user.run("import", FOLDER / "akegarasu-default/config.toml", "--repeats", "7")
    assert (told.code, told.out) == (65, "")
    names = ("shuffle_caption", "enable_bucket", "text_encoder_lr", "clip_skip", "max_token_length")
    assert [name for name in names if name not in told.last] == []
    assert "5 settings with an effect on the adapter would be lost" in told.last
    assert told.last.endswith("accept that with --allow-lost")


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ([], "; 5 settings with an effect on the adapter would be lost besides, which --allow-lost accepts"),
        (["--allow-lost"], "1 problem with its keys, told above, each with what to do"),
    ],
)
def test_problems_do_not_hide_what_would_be_lost(options: list[str], end: str, user: User) -> None:
    """One call says everything: repeats that nobody tells, which no consent replaces, and effects that want one."""
    told = user.run("import", FOLDER / "akegarasu-default/config.toml", *options)
    assert told.code == 65 and told.last.endswith(end)
    assert "refused num_repeats -> $.training.epochs" in told.err


def test_secrets_are_never_shown(user: User) -> None:
    """The key of a logging service is neither in the job nor in a row."""
    told = user.run("import", FOLDER / "kohya/config.toml")
    assert told.code == 0 and "wandb_api_key" in told.err
    assert "0123456789abcdef" not in told.out + told.err
