"""``loraruner import``: job on stdout or in a file, rows on stderr, exit codes."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.user import Told, User

CONFIG = "base_model: /models/base.safetensors\ntrain_data_dir: /data/style\noutput_dir: /output/style\n"


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def refused(told: Told, code: int, *parts: str) -> None:
    """Nothing on stdout, and a last line with the code and every part."""
    assert (told.code, told.out) == (code, ""), told.err
    assert told.last.startswith(f"error {code} ") and [part for part in parts if part not in told.last] == [], told.last


def test_stdout_is_one_job(config: Path, user: User) -> None:
    """The job alone on stdout, a line for each key on stderr; `validate` reads what was printed."""
    told = user.run("import", config)
    assert told.code == 0
    assert told.result["model"] == {"base": "/models/base.safetensors"}
    assert [line.split()[:2] for line in told.err.splitlines()] == [
        ["kept", "base_model"],
        ["kept", "train_data_dir"],
        ["filled", "task_type"],
        ["filled", "name"],
        ["changed", "output_dir"],
    ]


def test_a_file_for_the_job(config: Path, user: User, tmp_path: Path) -> None:
    """--output writes the same bytes that stdout would have had; the result says what became of every key."""
    output = tmp_path / "new" / "job.json"
    told = user.run("import", config, "--output", output)
    assert told.code == 0 and output.read_text() == user.run("import", config).out
    assert (told.result["job"], told.result["written"]) == (str(output), True)
    assert (told.result["task"], told.result["dialect"]) == ("text-to-image", "lora-scripts-yaml")
    assert told.result["keys"][0] == {
        "key": "base_model",
        "value": '"/models/base.safetensors"',
        "verdict": "kept",
        "to": "$.model.base",
        "becomes": '"/models/base.safetensors"',
        "reason": "",
    }


def test_nothing_is_overwritten(config: Path, user: User, tmp_path: Path) -> None:
    """The same job again changes nothing and succeeds; another file there is a usage error."""
    output = tmp_path / "job.json"
    assert user.run("import", config, "--output", output).result["written"] is True
    written = output.stat().st_mtime_ns
    assert user.run("import", config, "--output", output).result["written"] is False
    assert output.stat().st_mtime_ns == written
    output.write_text("edited")
    assert user.run("import", config, "--output", output).code == 2
    assert output.read_text() == "edited"


def test_a_table_for_people(config: Path, user: User, tmp_path: Path) -> None:
    """--format table prints the rows once, and has no meaning without --output."""
    told = user.run("import", config, "--output", tmp_path / "job.json", "--format", "table")
    assert told.code == 0 and "base_model" in told.out and "base_model" not in told.err
    assert "filled" in told.out and "it stands for Stable Diffusion" in " ".join(told.out.replace("│", " ").split())
    assert user.run("import", config, "--format", "table").code == 2


def test_stdin(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration from a pipe is told by its content."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(CONFIG.encode())))
    assert user.run("import", "-").result["name"] == "style"


def test_options_reach_the_job(config: Path, user: User) -> None:
    """--name, --task and --set."""
    told = user.run("import", config, "--name", "mine", "--task", "text-generation", overrides=["training.epochs=3"])
    assert (told.result["name"], told.result["task"]) == ("mine", "text-generation")
    assert told.result["training"] == {"epochs": 3}


def test_every_problem_at_once(config: Path, user: User) -> None:
    """65 with a line for each unknown key and each unfit value, and none of them hides another."""
    config.write_text(f"{CONFIG}lora_rang: 8\nepochs: many\nsave_steps: 0\n")
    told = user.run("import", config)
    refused(told, 65, "DATA_INVALID", "config.yaml: 3 problems with its keys")
    assert told.err.splitlines()[-4:-1] == [
        "unknown key lora_rang - did you mean lora_rank?",
        'epochs = "many" is no whole number',
        "save_steps -> $.checkpoint.every_steps: 0 is less than the minimum 1; give 1 to 10000000",
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a: [1", ("is no YAML: line 1, column 6",)),
        ("", ("holds no keys",)),
        ("services: {web: {image: nginx}}", ("of no trainer that can be imported", "kohya-dataset", "--dialect")),
    ],
)
def test_a_file_that_is_none(config: Path, user: User, text: str, parts: tuple[str, ...]) -> None:
    """65 with the place, or with what can be imported."""
    config.write_text(text)
    refused(user.run("import", config), 65, str(config), *parts)


def test_files_that_are_not_there(config: Path, user: User) -> None:
    """66 for each of the three files, and for a folder."""
    refused(user.run("import", config.parent / "absent.yaml"), 66, "absent.yaml", "there is no such file")
    refused(user.run("import", config.parent), 66, "this is a folder")
    refused(user.run("import", config, "--dataset-config", "absent.toml"), 66, "absent.toml")
    refused(user.run("import", config, "--sample-prompts", "absent.txt"), 66, "absent.txt")


def test_a_place_that_cannot_be_written(config: Path, user: User) -> None:
    """77 in one sentence."""
    refused(user.run("import", config, "--output", config / "job.json"), 77, "choose another --output")


def test_an_override_that_is_none(config: Path, user: User) -> None:
    """64, as for every command that takes --set."""
    assert user.run("import", config, overrides=["nonsense"]).code == 64


@pytest.mark.parametrize("secret", ["hf_abcdefghijklmnopqrstuvwxyz", "https://me:password@host/base.safetensors"])
def test_credentials_are_refused_and_hidden(config: Path, user: User, secret: str) -> None:
    """A token or a password in an address never reaches the job or the terminal."""
    config.write_text(CONFIG.replace("/models/base.safetensors", secret))
    told = user.run("import", config)
    refused(told, 65, "1 problem")
    assert secret not in told.err and "$.model.base" in told.err


def test_operators_secrets_are_struck(config: Path, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the environment that is secret is struck from rows."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    config.write_text(f"{CONFIG}pretrained_lora: /loras/planted-secret\n")
    told = user.run("import", config, "--allow-lost")
    assert told.code == 0 and "planted-secret" not in told.err and "[secret]" in told.err


def test_lines_are_wrapped_on_a_terminal(config: Path, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets lines that fit, each continued below its verdict; words stay whole. A pipe has one line a key."""
    plain = user.run("import", config).err
    monkeypatch.setenv("COLUMNS", "60")
    assert user.run("import", config).err == plain
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    wrapped = user.run("import", config).err
    assert max(map(len, wrapped.splitlines())) <= 60 < max(map(len, plain.splitlines()))
    assert wrapped.split() == plain.split()
    assert {line[:8].strip() for line in wrapped.splitlines()} == {"kept", "filled", "changed", ""}


def test_a_job_of_its_own_is_no_configuration(user: User, tmp_path: Path) -> None:
    """A job that loraruner wrote is not imported again: its keys are unknown to every trainer."""
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"name": "a", "task": "text-to-image", "lora": {"rank": 8}}))
    assert user.run("import", job).code == 65


def test_nothing_heavy_is_loaded(config: Path) -> None:
    """Importing a configuration is quick: no model library, no store."""
    code = (
        "import sys; from loraruner.cli import run; code = run(sys.argv[1:]);"
        "print(code, sorted({'torch', 'transformers', 'boto3', 'numpy', 'PIL'} & set(sys.modules)), file=sys.stderr)"
    )
    called = subprocess.run(
        [sys.executable, "-c", code, "import", str(config)], capture_output=True, text=True, check=True
    )
    assert called.stderr.splitlines()[-1] == "0 []"
