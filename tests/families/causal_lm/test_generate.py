"""Prompts tried on the exported adapter."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loraruner.errors import Preempted
from loraruner.families.base import Base, Family, Request, Trial, Trials
from loraruner.families.causal_lm import FAMILY
from loraruner.families.causal_lm.trainable import CausalTrainable
from loraruner.spec import Spec, TextOptions

Build = Callable[..., CausalTrainable]
PROMPTS = ("Hi", "A much longer prompt than that.", "Why?")


@pytest.fixture
def adapter(build: Build, spec: Spec, base: Base, tmp_path: Path) -> Path:
    """An exported adapter with a large effect."""
    FAMILY.export(spec, base, build(trained=True), tmp_path / "adapter", {})
    return tmp_path / "adapter"


def try_prompts(spec: Spec, base: Base, adapter: Path | None, folder: Path, *prompts: str) -> Trials:
    family: Family = FAMILY
    return family.generate(spec, base, adapter, Request(prompts, seed=0), folder)


def test_answers_differ_with_the_adapter_alone(spec: Spec, base: Base, adapter: Path, tmp_path: Path) -> None:
    """Before is what the bare base says, after is not, and the file holds both beside each prompt."""
    tried = try_prompts(spec, base, adapter, tmp_path, *PROMPTS)
    bare = try_prompts(spec, base, None, tmp_path / "bare", *PROMPTS)
    assert [trial.before for trial in tried.trials] == [trial.before for trial in bare.trials]
    assert all(trial.before != trial.after for trial in tried.trials)
    assert all(trial.after == "" for trial in bare.trials)
    written = json.loads((tmp_path / tried.files[0]).read_text())
    assert [Trial(**trial) for trial in written["trials"]] == list(tried.trials)
    assert written["measures"] == tried.measures


def test_prompts_don_t_influence_each_other(spec: Spec, base: Base, adapter: Path, tmp_path: Path) -> None:
    """A prompt gets the same answers alone as padded in a batch with longer ones."""
    together = try_prompts(spec, base, adapter, tmp_path, *PROMPTS).trials
    alone = [try_prompts(spec, base, adapter, tmp_path, prompt).trials[0] for prompt in PROMPTS]
    assert list(together) == alone


def test_phrases_are_counted(spec: Spec, base: Base, adapter: Path, tmp_path: Path) -> None:
    """Shares of answers with each phrase: one that every text holds, and one that none does."""
    options = TextOptions(max_new_tokens=4, expect_phrases=("", "no such phrase"))
    changed = replace(spec, options=options)
    measures = try_prompts(changed, base, adapter, tmp_path, *PROMPTS).measures
    assert measures == {
        "phrase.0.before": 1.0,
        "phrase.0.after": 1.0,
        "phrase.1.before": 0.0,
        "phrase.1.after": 0.0,
    }


def test_no_prompts_make_an_empty_file(spec: Spec, base: Base, tmp_path: Path) -> None:
    """Without prompts there is nothing to measure."""
    tried = try_prompts(spec, base, None, tmp_path)
    assert (tried.trials, tried.measures) == ((), {})


def test_a_signal_stops_between_tokens(spec: Spec, base: Base, tmp_path: Path) -> None:
    """What the hook raises ends generation at the next token, with nothing written."""
    calls = []

    def between() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Preempted("stop")

    with pytest.raises(Preempted):
        FAMILY.generate(spec, base, None, Request(("Hi",), seed=0, between=between), tmp_path / "g")
    assert not (tmp_path / "g").exists()
