"""``data advise`` as a user meets it: what is told, what is written, what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from loraruner.spec import catalog
from tests.support.pictures import write_pictures
from tests.support.tiny_lm import write_tiny_lm
from tests.support.user import STYLE_BASE, User, assert_refused

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "text-to-image": "examples/style/pictures",
    "text-generation": "examples/voice/rows.jsonl",
    "automatic-speech-recognition": "examples/dialect/clips",
}


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> User:
    """At the root of the repository, where the examples' addresses lead somewhere; on a machine without a GPU."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("loraruner.doctor.gpu_memory_bytes", lambda: None)
    return User(capsys)


def values(result: dict[str, Any]) -> dict[str, Any]:
    return {piece["key"]: piece["value"] for piece in result["advice"]}


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Twelve of the dialect's clips, in a folder of their own."""
    source = ROOT / EXAMPLES["automatic-speech-recognition"]
    lines = (source / "metadata.csv").read_text().splitlines()[:13]
    folder = tmp_path / "dialect"
    folder.mkdir()
    (folder / "metadata.csv").write_text("\n".join(lines))
    for line in lines[1:]:
        shutil.copy(source / line.split(",")[0], folder)
    return folder


@pytest.mark.parametrize("task", ["text-to-image", "text-generation"])
def test_the_examples(user: User, task: str, tmp_path: Path) -> None:
    """The task is told by the files; the written job has all advice, names the schema beside it, and is valid."""
    job = tmp_path / "jobs" / "job.json"
    told = user.run("data", "advise", EXAMPLES[task], "--output", job)
    assert told.code == 0, told.err
    written = json.loads(job.read_text())
    assert written == told.result["job"] and written["task"] == task
    assert told.result["written"] == [str(job), str(job.with_name("job.schema.json"))]
    assert job.with_name(written["$schema"]).read_text() == catalog.schema_text()
    for key, value in values(told.result).items():
        section, _, name = key.partition(".")
        assert written[section][name] == value
    checked = user.run("validate", job)
    assert (checked.code, checked.err) == (0, "") and checked.result["warnings"] == []


def test_clips_of_an_example(user: User, clips: Path, tmp_path: Path) -> None:
    """Minutes and the language of the transcripts are facts; the job is valid."""
    told = user.run("data", "advise", clips, "--output", tmp_path / "job.json", "--name", "shop")
    facts = told.result["facts"]
    assert (facts["num_samples"], facts["language"]) == (12, "en") and 20 < facts["duration_s"] < 60
    job = told.result["job"]
    assert (job["name"], job["options"], job["output"]["uri"]) == ("shop", {"language": "en"}, "out/loras")
    assert user.run("validate", tmp_path / "job.json").result["warnings"] == []


def test_every_value_says_why_and_from_where(user: User) -> None:
    """Each piece has a key, a value, a reason, and a source with an address or a file that is there."""
    told = user.run("data", "advise", EXAMPLES["text-to-image"])
    for piece in told.result["advice"]:
        assert set(piece) == {"key", "value", "reason", "source"} and piece["reason"]
        links = [part.rpartition("(")[2].rstrip(")") for part in piece["source"].split("; ")]
        assert links and all(link.startswith("https://") or (ROOT / link).exists() for link in links)


def test_the_same_again(user: User) -> None:
    """The same data gives the same bytes, whoever asks and how often."""
    first, second = (user.run("data", "advise", EXAMPLES["text-to-image"], "--base", STYLE_BASE) for _ in range(2))
    assert first.out == second.out and str(ROOT) not in first.out.replace(str(STYLE_BASE), "")


def test_a_base_and_a_gpu(user: User) -> None:
    """A tiny base changes rate and size; a small GPU the batch, told with both numbers."""
    tiny = user.run("data", "advise", EXAMPLES["text-to-image"], "--base", STYLE_BASE, "--gpu-memory-gb", "24").result
    assert (values(tiny)["options.resolution"], values(tiny)["training.learning_rate"]) == (64, 2e-3)
    assert tiny["job"]["model"]["base"] == str(STYLE_BASE)
    small = user.run("data", "advise", EXAMPLES["text-to-image"], "--gpu-memory-gb", "3").result
    assert values(small)["training.batch_size"] * values(small)["training.gradient_accumulation_steps"] == 4
    assert values(small)["training.batch_size"] < 4 and small["facts"]["gpu_bytes"] == 3 << 30


def test_rows_are_counted_by_the_base(user: User, tmp_path: Path) -> None:
    """With a base its own tokenizer says how long the longest row is, and its context bounds the length."""
    write_tiny_lm(tmp_path / "base")
    config = tmp_path / "base/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 256}))
    told = user.run("data", "advise", EXAMPLES["text-generation"], "--base", tmp_path / "base")
    facts = told.result["facts"]
    assert facts["tokens_counted"] and facts["longest_tokens"] > 256  # one token a byte
    assert values(told.result)["options.max_length"] == 256


@pytest.mark.slow
def test_plan_takes_the_job(user: User, tmp_path: Path) -> None:
    """What was advised for a base is what ``plan`` counts: samples, steps, adapter."""
    write_pictures(tmp_path / "set", 24, side=64)
    job = tmp_path / "job.json"
    told = user.run("data", "advise", tmp_path / "set", "--base", STYLE_BASE, "--output", job)
    plan = user.run("plan", job, overrides=["training.precision=fp32"]).result
    assert (plan["samples"]["train"], plan["samples"]["held_out"]) == (22, 2)
    assert plan["steps"] == 6 * values(told.result)["training.epochs"]
    assert values(told.result)["evaluation.every_steps"] <= plan["steps"]


def test_a_table_for_people(user: User) -> None:
    """--format table shows facts and a line for each value, and no JSON."""
    out = user.run("data", "advise", EXAMPLES["text-to-image"], "--format", "table").out
    assert "48 pictures" in out and "lora.rank" in out and "none given" in out and not out.startswith("{")


def test_nothing_is_overwritten(user: User, tmp_path: Path) -> None:
    """An existing job is a usage error before anything is looked at; an existing schema stays as it is."""
    job, schema = tmp_path / "job.json", tmp_path / "job.schema.json"
    schema.write_text("mine")
    assert user.run("data", "advise", EXAMPLES["text-to-image"], "--output", job).result["written"] == [str(job)]
    job.write_text("edited")
    assert user.run("data", "advise", "nowhere", "--output", job).code == 2
    assert (job.read_text(), schema.read_text()) == ("edited", "mine")


def test_not_into_the_data(user: User, tmp_path: Path) -> None:
    """A job inside of the data set would be part of it: a usage error, and nothing is written."""
    shutil.copytree(ROOT / EXAMPLES["text-to-image"], tmp_path / "set")
    told = user.run("data", "advise", tmp_path / "set", "--output", tmp_path / "set/job.json")
    assert told.code == 2 and "lies in the data set" in told.err and not (tmp_path / "set/job.json").exists()


def test_a_place_that_cannot_be_written(user: User, tmp_path: Path) -> None:
    """A place that takes no file is 77 in one sentence."""
    (tmp_path / "file").write_text("")
    told = user.run("data", "advise", EXAMPLES["text-to-image"], "--output", tmp_path / "file" / "job.json")
    assert_refused(told, 77, "NO_PERMISSION", "choose another --output")


@pytest.mark.parametrize(
    ("arguments", "code", "name", "parts"),
    [
        (["nowhere"], 66, "INPUT_MISSING", ["SOURCE", "nowhere"]),
        (["https://user:secret@example.com/set.zip", "--task", "text-to-image"], 64, "SPEC_INVALID", ["1 fault"]),
        ([EXAMPLES["text-generation"], "--metadata", "a.csv"], 64, "SPEC_INVALID", ["1 fault"]),
        ([EXAMPLES["text-to-image"], "--name", "two words"], 64, "SPEC_INVALID", ["1 fault"]),
        ([EXAMPLES["text-to-image"], "--base", "nowhere"], 66, "INPUT_MISSING", ["--base", "nowhere"]),
        ([EXAMPLES["text-generation"], "--base", str(STYLE_BASE)], 65, "DATA_INVALID", ["Stable Diffusion"]),
        ([EXAMPLES["text-to-image"], "--task", "text-generation"], 65, "DATA_INVALID", ["48 pictures", "--task"]),
    ],
)  # fmt: skip
def test_what_is_refused(user: User, arguments: list[str], code: int, name: str, parts: list[str]) -> None:
    """Each fault has its code and one sentence in the command's own words, and no secret is repeated."""
    told = user.run("data", "advise", *arguments)
    assert told.code == code and told.last.startswith(f"error {code} {name}: "), told.err
    assert [part for part in parts if part not in told.last] == [] and told.out == ""
    assert "secret" not in told.err.replace("names_secret", "") and "$.data.uri: nowhere" not in told.err


@pytest.mark.parametrize("number", ["0", "-3", "nan", "much"])
def test_memory_that_is_no_number(user: User, number: str) -> None:
    """A size of memory that no GPU has is a usage error."""
    assert user.run("data", "advise", EXAMPLES["text-to-image"], "--gpu-memory-gb", number).code == 2


def test_only_bad_samples(user: User, tmp_path: Path) -> None:
    """A set without one usable sample is 65 with the first reasons, in the command's own words."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "a.txt").write_text("a cat")
    told = user.run("data", "advise", folder)
    assert told.code == 65 and "no usable sample" in told.last and "$.data" not in told.last
