"""Contradictions, credentials and addresses, judged without touching a store or a path."""

import json
import time
from typing import Any

import pytest

from loraruner.spec import JobInvalid, credentials, load
from loraruner.spec.addresses import is_inside, is_plain_relative
from loraruner.spec.build import TARGETS

JOB: dict[str, Any] = {
    "name": "n",
    "task": "text-generation",
    "model": {"base": "b"},
    "data": {"uri": "d"},
    "output": {"uri": "o"},
}


@pytest.mark.parametrize(
    ("inner", "outer", "inside"),
    [
        ("s3://b/data/out", "s3://b/data/", True),
        ("s3://b/data", "s3://b/data", True),
        ("s3://b/data2", "s3://b/data", False),
        ("s3://b/out", "s3://b", True),
        ("s3://b/data", "/b/data", False),
        ("file:///d/x", "/d", True),
        ("file:///d%20e/x", "/d e/", True),
        ("FILE://localhost/d/x", "//d", True),
        ("S3://b/x", "s3://b", True),
        ("s3://b/%64ata", "s3://b/data", False),
        ("out", ".", True),
        ("../out", ".", False),
        ("/out", ".", False),
        ("data/../out", "data", False),
        ("./data/x", "data/", True),
    ],
)
def test_inside(inner: str, outer: str, inside: bool) -> None:
    """An address lies in another by its path, not by its letters."""
    assert is_inside(inner, outer) is inside


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a\\b", "C:a", "a//b", "./a", ".."])
def test_names_that_leave_the_folder(name: str) -> None:
    """A metadata name cannot leave the data set on any system."""
    assert not is_plain_relative(name)


@pytest.mark.parametrize(
    "text",
    [
        "hf://gpt2@main",
        "hf://HuggingFaceTB/SmolLM2-135M-Instruct@refs/pr/1",
        "s3://task-bucket/desk-0123456789-abcdefghijkl.zip",
        "a portrait, 4k, sk-ies of grey, token: neon",
        "https://example.org/a.zip?version=3",
        "write to me@example.org: thanks",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ],
)
def test_harmless_text_is_no_credential(text: str) -> None:
    """Usual addresses, prompts and digests raise no false alarm."""
    assert credentials.find(text) is None


@pytest.mark.parametrize(
    "secret",
    [
        "s3://key:secret@bucket/x",
        "https://token@example.org/x",
        "https://h/x?X-Amz-Signature=abc",
        "https://h/x?a=1&token=abc",
        "AKIAABCDEFGHIJKLMNOP",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "ghp_abcdefghijklmnopqrstuvwxyz",
        "sk-proj-abc0123456789012345678",
        "pk_123_ABCDEFGHIJKLMNOPQRSTUVWX",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize("place", ["name", "labels", "prompts", "key", "base", "list"])
def test_planted_secret_is_refused_and_never_echoed(secret: str, place: str) -> None:
    """Wherever it hides - right field, wrong type, key - the job is refused and no text holds it."""
    planted: dict[str, Any] = {
        "name": {"name": secret},
        "labels": {"labels": {"purpose": f"see {secret}"}},
        "prompts": {"sampling": {"prompts": [secret]}},
        "key": {"labels": {secret: "x"}},
        "base": {"model": {"base": secret}},
        "list": {"lora": {"rank": [secret], "unknown": {"a": secret}}},
    }
    with pytest.raises(JobInvalid) as caught:
        load(json.dumps({**JOB, **planted[place]}).encode())
    assert "looks like" in str(caught.value)
    assert secret not in str(caught.value) and secret not in repr(caught.value.faults)


@pytest.mark.parametrize(
    "text", ["sk-", "-eyJ-", "hf://" + ":" * 9, ":", "s3:", "https://", "pk_1_", "?token", "-----BEGIN "]
)
def test_scan_is_linear(text: str) -> None:
    """No string makes the search for credentials slow: 100 kB of near hits, led by one that opens a scan."""
    for attack in (text * (100_000 // len(text)), "hf://a" + text * (100_000 // len(text))):
        started = time.process_time()
        credentials.find(attack)
        assert time.process_time() - started < 0.5


def test_secret_named_key_hides_its_value() -> None:
    """A key that is named like a secret never shows its value, known pattern or not."""
    with pytest.raises(JobInvalid) as caught:
        load(json.dumps({**JOB, "hf_token": "correct horse", "labels": {"db_password": "battery"}}).encode())
    assert "horse" not in str(caught.value) and "battery" not in str(caught.value)


def test_high_rank_on_single_samples_warns() -> None:
    """Rank above 16, one sample a step and a constant rate together warn; any two are silent."""
    risky = ["lora.rank=32", "training.batch_size=1", "training.lr_scheduler=constant"]
    text = json.dumps(JOB).encode()
    assert "diverge" in load(text, overrides=risky).warnings[0]
    assert all(load(text, overrides=[o for o in risky if o != left]).warnings == () for left in risky)


def test_evaluation_of_nothing_warns() -> None:
    """A setting that has no effect says so."""
    text = json.dumps(JOB).encode()
    assert "measures nothing" in load(text, overrides=["evaluation.every_steps=5"]).warnings[0]
    assert load(text, overrides=["evaluation.every_steps=5", "evaluation.fraction=0.1"]).warnings == ()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], None),
        (["evaluation.select=best"], "nothing tells which weights are best"),
        (["evaluation.select=best", "evaluation.fraction=0.1"], "only the last step is measured"),
        (["evaluation.select=best", "evaluation.fraction=0.1", "evaluation.every_steps=5"], None),
        (["evaluation.select=last"], None),
    ],
)
def test_a_best_that_has_no_rivals_warns(overrides: list[str], told: str | None) -> None:
    """Asking for the best weights warns where nothing, or one step alone, is measured."""
    warnings = load(json.dumps(JOB).encode(), overrides=overrides).warnings
    assert [told in warning for warning in warnings] == [True] if told else warnings == ()


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ([], "$.evaluation.fraction: no clip is held out"),
        (["evaluation.uri=heldout"], None),
        (["evaluation.uri=heldout", "options.spec_augment=true"], "$.options.spec_augment: the cache"),
    ],
)
def test_speech_without_a_measurement_or_a_cache_warns(overrides: list[str], place: str | None) -> None:
    """No held-out clip means no word error rate, masks mean no cache: both are said before the job starts."""
    job = {**JOB, "task": "automatic-speech-recognition"}
    warnings = load(json.dumps(job).encode(), overrides=overrides).warnings
    assert [place in warning for warning in warnings] == [True] if place else warnings == ()


@pytest.mark.parametrize(
    ("overrides", "warned"),
    [
        ([], True),
        (["data.caption.suffix=in the style of xyz"], True),
        (["data.caption.prefix=Neon style, "], False),
        (['data.caption.template="a neon sign: {caption}"'], False),
        (["data.quality.checks.trigger_missing=off"], False),
        (["data.quality.trigger=null"], False),
    ],
)
def test_machine_captions_without_the_trigger_warn(overrides: list[str], warned: bool) -> None:
    """Where every caption that the model makes would lack the trigger, the job says so before it starts."""
    data = {"uri": "d", "caption": {"model": "m"}, "quality": {"trigger": "neon"}}
    job = {**JOB, "task": "text-to-image", "data": data}
    warnings = load(json.dumps(job).encode(), overrides=overrides).warnings
    assert ["will lack the trigger" in warning for warning in warnings] == ([True] if warned else [])


@pytest.mark.parametrize("task", TARGETS)
def test_each_task_has_its_own_sets_of_layers(task: str) -> None:
    """Every word of a task is accepted there; a word of another task is refused with the right ones named."""
    every = {word for words in TARGETS.values() for word in words}
    for word in sorted(every):
        text = json.dumps({**JOB, "task": task, "lora": {"targets": word}}).encode()
        if word in TARGETS[task]:
            assert load(text).spec.lora.targets == word
        else:
            with pytest.raises(JobInvalid, match=f"no set of layers of {task}.*{', '.join(TARGETS[task])} or a list"):
                load(text)


def test_hopeless_job_stops_at_a_hundred_faults() -> None:
    """A job with hundreds of faults is answered in a page, not in a megabyte."""
    with pytest.raises(JobInvalid) as caught:
        load(json.dumps({**JOB, **{f"key{i}": i for i in range(900)}}).encode())
    assert len(caught.value.faults) == 101
    assert caught.value.faults[-1].reason == "has more than 100 faults"
