"""Trying the exported adapter: what the family is asked, and what is said when there is nothing to try."""

from pathlib import Path
from typing import Any, cast

import pytest

from loraruner import spec
from loraruner.families import load_family
from loraruner.families.base import Base, Family, Prepared, Request, Trial, Trials
from loraruner.spec import Spec, catalog
from loraruner.trials import try_adapter
from loraruner.workspace import Workspace, open_workspace

BASE = Base(Path("/nowhere"), "0" * 64, "base")
RATES = {"wer.before": 0.415, "wer.after": 0.0625, "clips": 3.0}
PREPARED = Prepared({}, {"train": ("a.wav",), "evaluation": ("b.wav",)})


def starter(task: str) -> Spec:
    return spec.load(catalog.starter_text(task).encode()).spec


class Trying:
    """A family that notes what it is asked to try."""

    def __init__(self, made: Trials) -> None:
        self.made = made
        self.asked: dict[str, Any] = {}

    def generate(self, spec: Spec, base: Base, adapter: Path, request: Request, folder: Path) -> Trials:
        self.asked = {"base": base, "adapter": adapter, "request": request, "folder": folder}
        return self.made


def tried(family: Trying, task: str, workspace: Workspace) -> Trials:
    return try_adapter(starter(task), cast(Family, family), BASE, PREPARED, workspace, print)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path, "run", "store", 1)


@pytest.mark.parametrize("task", spec.TASKS)
def test_every_family_gets_prompts_and_held_out_samples(
    workspace: Workspace, task: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The family decides what of both it tries: it is asked once, with the exported files; its measures are logged."""
    caplog.set_level("INFO")
    family = Trying(Trials((Trial("b.wav", "one", "two", reference="too"),), measures=RATES))
    assert tried(family, task, workspace) is family.made
    request = Request(starter(task).sampling.prompts, 0, print, held_out=PREPARED)
    expected = {"base": BASE, "adapter": workspace.version, "request": request, "folder": workspace.samples}
    assert family.asked == expected
    assert "measured on the exported file: wer 0.415 -> 0.062, clips 3.000" in caplog.text
    assert "no samples" not in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [(0.4, 0.1, False), (0.4, 0.4, True), (0.4, 1.5, True), (0.0, 0.1, True), (0, 0, False)],
)
def test_no_gain_is_a_warning(
    workspace: Workspace, before: float, after: float, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """An adapter that hears as badly as its base, or worse, is told of; a perfect one is not."""
    made = Trials((Trial("b.wav", "one", "two"),), measures={"wer.before": before, "wer.after": after})
    tried(Trying(made), "automatic-speech-recognition", workspace)
    assert any("no better than the base" in record.message for record in caplog.records) == warned


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("text-to-image", "$.sampling.prompts is empty"),
        ("text-generation", "$.sampling.prompts is empty"),
        ("automatic-speech-recognition", "no clip is held out ($.evaluation.fraction, $.evaluation.uri)"),
    ],
)
def test_nothing_to_try_is_told(workspace: Workspace, task: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """A version without samples says why, by the key that would bring some."""
    caplog.set_level("INFO")
    tried(Trying(Trials(())), task, workspace)
    assert f"no samples: {reason}" in caplog.text


@pytest.mark.parametrize("task", ["text-to-image", "text-generation"])
def test_without_prompts_no_base_is_opened(tmp_path: Path, task: str) -> None:
    """Pictures and text that have nothing to try answer at once: this base could not be opened."""
    request = Request(prompts=(), seed=0, held_out=PREPARED)
    assert load_family(task).generate(starter(task), BASE, tmp_path, request, tmp_path / "samples") == Trials(())
    assert not (tmp_path / "samples").exists()
