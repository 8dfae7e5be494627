"""Roll-backs: where they go, what they keep, and that a kill at any moment changes no bit."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from loraruner import attempt_logs
from loraruner.errors import Diverged, NoPermission, Preempted
from loraruner.events import EpochDone, Event, StepDone, Warned
from loraruner.families.base import Draw
from loraruner.spec import Spec
from loraruner.training.checkpoints import read_checkpoint, write_checkpoint
from loraruner.workspace import Workspace
from tests.support.mortal_store import MortalStore
from tests.support.tiny_training import KEYS, TinyRun, TinyTrainable, assert_same_bits, job

STEPS = 11
BREAKS = {5: 1.8, 9: 2.0}  # the first goes back from step 5 to 2, or 4 where that is proven; the second from 9 to 6


@dataclass
class Fragile(TinyTrainable):
    """The loss of a step is no number where the weights have grown beyond what ``breaks`` says for it."""

    breaks: Mapping[int, float] = field(default_factory=lambda: BREAKS)

    def collate(self, indices: Any, draw: Draw, part: str = "train") -> tuple[Tensor, Tensor, Tensor]:
        inputs, targets, weights = super().collate(indices, draw, part)
        limit = self.breaks.get(draw.step + 1) if part == "train" else None
        size = sum(each.detach().abs().sum().item() for each in self.module.parameters() if each.requires_grad)
        return inputs, targets * (float("nan") if limit is not None and size > limit else 1.0), weights


@dataclass
class MortalRun(TinyRun):
    """Its store takes so many changes in this attempt, then none."""

    life: int | None = None
    opened: list[MortalStore] = field(default_factory=list)

    @property
    def store(self) -> MortalStore:
        self.opened.append(MortalStore(self.folder / "store", self.life))
        return self.opened[-1]


def fragile() -> Fragile:
    return Fragile(dropout=0.5, num_evaluation=2)


def once() -> Fragile:
    """Only the first of them."""
    return Fragile(dropout=0.5, num_evaluation=2, breaks={5: 1.8})


def rolling(**overrides: Any) -> Spec:
    """Two roll-backs in eleven steps: epochs of two steps, measured after every third."""
    fields = {
        "training__max_steps": STEPS,
        "training__batch_size": 4,
        "training__learning_rate": 0.1,
        "training__lr_scheduler": "constant",
        "checkpoint__every_steps": 2,
        "evaluation__every_steps": 3,
        "evaluation__select": "best",
    }
    return job(**{**fields, **overrides})


def warnings(run: TinyRun) -> list[Warned]:
    return [event for event in run.events if isinstance(event, Warned) and event.kind == "rollback"]


def state(run: TinyRun, name: str) -> dict[str, Any]:
    path = run.folder / "store" / KEYS.checkpoints / name / "state.json"
    progress: dict[str, Any] = json.loads(path.read_text())["progress"]
    return progress


def without_times(progress: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same however often the run was interrupted; which warnings were told depends on kills."""
    watched = {key: value for key, value in progress["watched"].items() if key not in ("epoch_s", "warnings")}
    return {**progress, "train_s": 0, "watched": watched}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """The run that nothing interrupted."""
    run = TinyRun(tmp_path_factory.mktemp("straight"))
    assert run.attempt(rolling(), fragile()).progress.rollbacks == 2
    return run


def test_the_run_goes_back_with_a_lower_rate(straight: TinyRun) -> None:
    """From each divergence to the last step multiple whose next step was sound; the rate is halved from there on."""
    steps = [event for event in straight.events if isinstance(event, StepDone)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 3, 4, 5, 6, 7, 8, 7, 8, 9, 10, 11]
    assert [event.learning_rate for event in steps] == pytest.approx([0.1] * 4 + [0.05] * 6 + [0.025] * 5)
    told = warnings(straight)
    assert [(event.step, event.text.split(";")[0]) for event in told] == [
        (2, "the loss in step 5 is nan"),
        (6, "the loss in step 9 is nan"),
    ]
    assert told[1].text.endswith("going back to step 6 with the learning rate x 0.25")


def test_what_the_manifest_is_told(tmp_path: Path) -> None:
    """Roll-backs, the factor, and both warnings; no GPU here."""
    found = TinyRun(tmp_path).attempt(rolling(), fragile()).monitor
    assert (found["rollbacks"], found["learning_rate_factor"], found["gpu"]) == (2, 0.25, None)
    assert [(each["kind"], each["step"]) for each in found["warnings"]] == [("rollback", 2), ("rollback", 6)]


def test_the_abandoned_way_leaves_nothing(straight: TinyRun) -> None:
    """Steps, samples, measurements and losses are those of one way from step 0 to the end."""
    progress = state(straight, straight.checkpoints()[-1])
    assert [each["step"] for each in progress["evaluations"]] == [0, 3, 6, 9, 11]
    assert (progress["step"], progress["samples_seen"]) == (STEPS, 5 * 7 + 4)
    assert len(progress["last_losses"]) == 10 and progress["watched"]["num_losses"] == STEPS
    assert [event.epoch for event in straight.events if isinstance(event, EpochDone)] == [1, 2, 2, 3, 4, 4, 5]


def test_checkpoints_after_a_rollback_have_names_of_their_own(straight: TinyRun) -> None:
    """They rank above those before it; ``keep`` of them stay: after the last step there is nothing to go back for."""
    names = straight.checkpoints()
    assert len(names) == 2 and all("-r02-" in name for name in names) and names[-1] == "e0001-r02-step-000011"


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_stop_in_any_step(straight: TinyRun, tmp_path: Path, step: int) -> None:
    """Before, at and after both roll-backs, resumed with an empty workspace: the same bits, and the same state."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(rolling(), fragile(), stop_after=step)
    run.attempt(rolling(), fragile())
    assert_same_bits(straight, run)
    newest = [without_times(state(each, each.checkpoints()[-1])) for each in (straight, run)]
    assert newest[0] == newest[1]
    assert run.evaluations == straight.evaluations


@pytest.mark.parametrize("moment", range(15))
def test_a_kill_at_any_event(straight: TinyRun, tmp_path: Path, moment: int) -> None:
    """The store is gone from one event on - within a roll-back too - and the next attempt computes the same."""
    run, seen = MortalRun(tmp_path), 0

    def kill(event: Event) -> bool:
        nonlocal seen
        seen += isinstance(event, StepDone | Warned)
        return seen > moment

    killed(run, kill)
    run.attempt(rolling(), fragile())
    assert_same_bits(straight, run)


def killed(run: MortalRun, when: Callable[[Event], bool]) -> None:
    """One attempt that is over as soon as ``when`` says so, and whose store takes nothing from then on."""

    class Gone(Exception):
        pass

    class Deadly(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if when(event):
                for store in run.opened:
                    store.life = 0
                raise Gone

    events, run.events = run.events, Deadly(run.events)
    with pytest.raises((Gone, NoPermission)):
        run.attempt(rolling(), fragile())
    run.events = [*events, *run.events]


@pytest.mark.slow
@pytest.mark.parametrize("life", range(0, 100))
def test_a_kill_at_any_change_of_the_store(straight: TinyRun, tmp_path: Path, life: int) -> None:
    """Whichever upload or deletion was the last one, the next attempt goes on from whole checkpoints."""
    run = MortalRun(tmp_path)
    run.life = life
    with suppress(NoPermission):
        run.attempt(rolling(), fragile())
    run.life = None
    run.attempt(rolling(), fragile())
    assert_same_bits(straight, run)


def test_killed_twice(straight: TinyRun, tmp_path: Path) -> None:
    """Stopped on the way that is abandoned, and again after the second roll-back."""
    run = TinyRun(tmp_path)
    for step in (4, 8):
        with pytest.raises(Preempted):
            run.attempt(rolling(), fragile(), stop_after=step)
    run.attempt(rolling(), fragile())
    assert_same_bits(straight, run)


def test_records_of_abandoned_steps_are_replaced(tmp_path: Path) -> None:
    """``metrics.jsonl`` of the version counts each step once, as it was done last; TensorBoard drops the others."""
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,
    )

    places: list[Workspace] = []
    run = TinyRun(tmp_path, ship=places.append)
    run.attempt(rolling(), fragile())
    workspace = places[0]
    workspace.version.mkdir()
    attempt_logs.gather(workspace, run.store, KEYS, 1)
    found = attempt_logs.read_metrics(workspace.version / "metrics.jsonl")
    losses = {each["step"]: each["loss"] for each in found if each["group"] == "train"}
    assert losses == run.losses() and len(losses) == STEPS == sum(each["group"] == "train" for each in found)
    events = EventAccumulator(str(workspace.tensorboard(1))).Reload()
    assert [each.step for each in events.Scalars("train/loss")] == list(range(1, STEPS + 1))


def test_the_start_counts_as_a_checkpoint(tmp_path: Path) -> None:
    """Without a step multiple before it a divergence goes back to step 0, also after a resume."""
    first, second = TinyRun(tmp_path / "a"), TinyRun(tmp_path / "b")
    early = rolling(checkpoint__every_steps=100)
    assert first.attempt(early, once()).progress.rollbacks == 1
    assert [event.step for event in warnings(first)] == [0]
    with pytest.raises(Preempted):
        second.attempt(early, once(), stop_after=3)
    second.attempt(early, once())
    assert_same_bits(first, second)


def test_what_a_rollback_cannot_change_ends_at_once(tmp_path: Path) -> None:
    """A first step that is no number would be the same again: 79 without a roll-back."""
    run = TinyRun(tmp_path)
    with pytest.raises(Diverged, match=r"^the loss in step 1 is nan; nothing is published"):
        run.attempt(rolling(), Fragile(breaks={1: 0.0}))
    assert warnings(run) == []


def test_a_diverged_run_that_goes_on_has_its_rollbacks_again(tmp_path: Path) -> None:
    """Two, 79, and with ``--continue`` two more, at rates that go on falling; a stop between them changes nothing."""
    always = {5: 0.0}
    told = []
    for folder, stop in (("a", None), ("b", 4)):
        run = TinyRun(tmp_path / folder)
        with pytest.raises(Diverged, match="also after 2 roll-backs"):
            run.attempt(rolling(), Fragile(breaks=always))
        if stop:
            with pytest.raises(Preempted):
                run.attempt(rolling(), Fragile(breaks=always), goes_on=True, stop_after=stop)
        with pytest.raises(Diverged, match=r"also after 4 roll-backs \(learning rate x 0.0625\)"):
            run.attempt(rolling(), Fragile(breaks=always), goes_on=stop is None)
        told.append(len(warnings(run)))
    assert told == [4, 4]


def test_an_anchor_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged checkpoint to go back to ends the run as it would without roll-backs, and is told."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(rolling(), fragile(), stop_after=4)
    (run.folder / "store" / KEYS.checkpoints / "e0001-step-000002/adapter.safetensors").write_bytes(b"")
    with pytest.raises(Diverged, match=r"^the loss in step 5 is nan; nothing is published"):
        run.attempt(rolling(), fragile())
    assert "the checkpoint of step 2, to go back to, is not there any more" in caplog.text


def test_a_checkpoint_from_before_there_were_rollbacks(tmp_path: Path) -> None:
    """It loads, and is itself what the run goes back to."""
    run = TinyRun(tmp_path)
    with pytest.raises(Preempted):
        run.attempt(rolling(), fragile(), stop_after=3)
    place = run.folder / "store" / KEYS.checkpoints / run.checkpoints()[-1]
    old = read_checkpoint(place)
    new = ("rollbacks", "forgiven_rollbacks", "learning_rate_factor", "anchor", "candidate_step", "watched")
    for name in new:
        del old.state["progress"][name]
    write_checkpoint(place, old)
    run.attempt(rolling(), once())
    assert [event.step for event in warnings(run)] == [3]
