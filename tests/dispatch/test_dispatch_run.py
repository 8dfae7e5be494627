"""One look at a list: each entry into the start status starts once, people hear of faults once, no task waits."""

import pytest

from loraruner.dispatch.outcome import Outcome, TasksUnwell, require_well
from loraruner.errors import EnvironmentUnfit, ExitCode, NoPermission, Preempted
from tests.support.dispatching import BACK, MOVING_TO, STATUS, Studio, template


def happened(outcomes: list[Outcome]) -> list[str]:
    return [each.happened for each in outcomes]


def test_a_ready_task_is_started_and_moved(studio: Studio) -> None:
    """The job has the task's id, files and fields; the task moves on, and nobody is told of anything yet."""
    task_id = studio.task(Rank=16, Prompts="neon, a cat\n\nneon, a dog\n", Team="o3-1")
    (found,) = studio.look()
    assert (found.task, found.happened, found.code, found.version) == (task_id, "started", 0, "1")
    ((run_id, job),) = studio.trainings.jobs
    assert run_id == found.run_id and run_id.startswith(f"{task_id}-") and len(run_id.rpartition("-")[2]) == 12
    assert job["name"] == task_id and job["data"] == {"uri": f"clickup://{task_id}"}
    assert job["lora"] == {"rank": 16} and job["labels"] == {"team": "games", "title": "Train Cyberpunk"}
    assert job["sampling"] == {"prompts": ["neon, a cat", "neon, a dog"]}
    assert job["notify"] == [{"kind": "clickup", "task_id": task_id}]
    assert studio.server.status(task_id) == MOVING_TO and studio.server.comments(task_id) == []
    (claim,) = studio.claims(task_id)
    assert (claim["state"], claim["run_id"], claim["exit_code"], claim["job"]) == ("started", run_id, 0, job)


def test_one_entry_starts_once(studio: Studio) -> None:
    """Without a status to move to the task stays where it is, and is still started once alone."""
    studio.task()
    assert happened(studio.look(moving_to=None)) == ["started"]
    assert happened(studio.look(moving_to=None)) == ["already"]
    assert len(studio.trainings.jobs) == 1


def test_moved_back_after_a_review_it_is_another_run(studio: Studio) -> None:
    """A new entry into the start status is a new run of the same adapter."""
    task_id = studio.task()
    studio.look()
    studio.server.move(task_id, "review")
    studio.server.comment(task_id, "set 3 is too dark, retrain")
    studio.server.move(task_id, STATUS)
    studio.look()
    one, two = studio.trainings.jobs
    assert one[0] != two[0] and one[1] == two[1]


@pytest.mark.parametrize("change", ["file", "field"])
def test_what_people_change_is_another_entry(studio: Studio, change: str) -> None:
    """Another file, or another value in a field that the template reads, starts anew while the task stays there."""
    task_id = studio.task()
    studio.look(moving_to=None)
    if change == "file":
        studio.server.attach(task_id, "more.zip", b"more")
    else:
        studio.server.set_value(task_id, "Rank", 4)
    assert happened(studio.look(moving_to=None)) == ["started"]
    assert len(set(studio.trainings.runs)) == 2


@pytest.mark.parametrize("change", ["own file", "other field", "template", "comment"])
def test_what_is_no_change_is_no_entry(studio: Studio, change: str) -> None:
    """Files of loraruner itself, fields that no template reads, an edited template and comments start nothing."""
    task_id = studio.task()
    studio.look(moving_to=None)
    made = None
    if change == "own file":
        studio.server.attach(task_id, f"loraruner-{task_id}-v1-report.html", b"x")
    elif change == "other field":
        studio.server.add_field("Valid until", "text")
        studio.server.set_value(task_id, "Valid until", "2027")
    elif change == "template":
        made = template(str(studio.output), lora={"rank": 2})
    else:
        studio.server.comment(task_id, "looks good")
    assert happened(studio.look(made, moving_to=None)) == ["already"]


def test_faults_become_one_comment(studio: Studio) -> None:
    """All faults in a sentence each by the titles of their fields, once an entry; the task moves where it is seen."""
    task_id = studio.task(Rank=0, Prompts="x" * 3000)
    good = studio.task("Another")
    first, second = studio.look(on_fault_status=BACK)
    assert (first.task, first.happened, first.code) == (task_id, "fault", 64)
    assert (second.task, second.happened) == (good, "started")
    (comment,) = studio.server.comments(task_id)
    assert "- Rank: 0 is less than the minimum 1; give 1 to 1024\n" in comment and "- Prompts: " in comment
    assert comment.endswith("Correct this, and set the status to 'ready to train' again.")
    assert studio.server.status(task_id) == BACK


def test_a_task_without_files_is_told_before_anything_runs(studio: Studio) -> None:
    """No Job waits for a card to find that there is nothing to train on; with a file attached the next look starts."""
    task_id = studio.server.create_task("Train nothing", status=STATUS)
    studio.server.attach(task_id, f"loraruner-{task_id}-v1-report.html", b"x")
    (found,) = studio.look()
    assert (found.happened, found.code) == ("fault", 64) and not studio.trainings.jobs
    assert "- Attachments: there are none to train on; attach the data" in studio.server.comments(task_id)[0]
    studio.server.attach(task_id, "pictures.zip", b"zip")
    assert happened(studio.look()) == ["started"]


def test_a_fault_is_told_once_and_a_correction_starts(studio: Studio) -> None:
    """Looked at again nothing is said twice; with the field corrected the training starts at the next look."""
    task_id = studio.task(Rank=0)
    assert happened(studio.look()) == ["fault"]
    (again,) = studio.look()
    assert (again.happened, again.code) == ("told", 0)
    assert len(studio.server.comments(task_id)) == 1
    assert studio.server.comments(task_id)[0].endswith("Correct this, and the next look starts it.")
    studio.server.set_value(task_id, "Rank", 8)
    assert happened(studio.look()) == ["started"]


def test_a_dry_run_changes_nothing(studio: Studio) -> None:
    """What would start and what would be told is said; no claim, comment, status or training comes of it."""
    good, bad = studio.task(), studio.task(Rank=0)
    outcomes = studio.look(dry_run=True)
    assert [(each.task, each.happened, each.code) for each in outcomes] == [
        (good, "would start", 0),
        (bad, "would tell", 64),
    ]
    assert not studio.output.exists() and not studio.trainings.jobs
    assert not [each for each in studio.server.requests if not each.startswith("GET")]


def test_limit(studio: Studio) -> None:
    """No more than the limit is started; the next look goes on."""
    tasks = [studio.task(str(number)) for number in range(3)]
    assert [each.task for each in studio.look(limit=2)] == tasks[:2]
    assert [each.task for each in studio.look(limit=2)] == tasks[2:]


def test_the_click_app_is_off(studio: Studio) -> None:
    """Without the times ClickUp can't tell one entry from the next: the task is left alone, the app to enable named."""
    task_id = studio.task()
    studio.server.inject(400, match="time_in_status")
    (found,) = studio.look()
    assert (found.happened, found.code) == ("error", int(ExitCode.ENVIRONMENT))
    assert "enable the ClickApp 'Total time in Status'" in found.reasons[0]
    assert studio.server.status(task_id) == STATUS and not studio.claims(task_id)


def test_one_bad_task_stops_no_other(studio: Studio) -> None:
    """A service that fails for one task, and a task that was deleted meanwhile, leave the others as they are."""
    broken, deleted, good = studio.task("a"), studio.task("b"), studio.task("c")
    studio.server.inject(503, match=f"GET /v2/task/{broken}", times=9)
    dispatcher = studio.dispatcher()
    look = dispatcher.run()
    found = [next(look)]
    studio.server.delete(deleted)
    found += look
    assert [(each.task, each.happened, each.code) for each in found] == [
        (broken, "error", 75),
        (deleted, "gone", 0),
        (good, "started", 0),
    ]


def test_a_wrong_token_is_the_look_itself(studio: Studio) -> None:
    """Nothing can be looked at: 77, not a task's matter."""
    studio.task()
    dispatcher = studio.dispatcher()
    studio.server.token = "another"
    with pytest.raises(NoPermission):
        list(dispatcher.run())


def test_moved_away_meanwhile(studio: Studio) -> None:
    """A task that somebody took out of the status while others trained is left alone."""
    studio.task("first")
    second = studio.task("second")
    look = studio.dispatcher().run()
    assert next(look).happened == "started"
    studio.server.move(second, BACK)
    assert [(each.task, each.happened) for each in look] == [(second, "gone")]


def test_a_status_that_is_not_there_stops_no_run(studio: Studio) -> None:
    """The list lacks the status to move to: the run is started, and the outcome says what was not done."""
    studio.task()
    (found,) = studio.look(moving_to="in training")
    assert (found.happened, found.code) == ("started", 0)
    assert "the status was not set to 'in training'" in found.reasons[0]


def test_a_field_that_was_renamed_is_warned_of(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    """The template reads a title that no field has: the job takes the template's value, and the log says so."""
    studio.task(Rank=4)
    studio.server.rename_field("Rank", "LoRA rank")
    assert happened(studio.look()) == ["started"]
    assert "has no field 'Rank', which the template reads; was it renamed?" in caplog.text
    assert "lora" not in studio.trainings.jobs[0][1]


@pytest.mark.parametrize("task_id", ["../../etc", "a/b", "a/", ".registry", "x" * 70])
def test_an_id_that_is_none(studio: Studio, task_id: str) -> None:
    """What a server calls a task names no object of the store: 65, and nothing is written."""
    studio.server.create_task("hostile", task_id=task_id, status=STATUS)
    (found,) = studio.look()
    assert (found.happened, found.code) == ("error", 65) and "is no id of a task" in found.reasons[0]
    assert not studio.output.exists() and len(studio.server.requests) == 2


def test_places_that_the_operator_forbids(studio: Studio) -> None:
    """What a field chose outside of the operator's places is told to people like any other fault."""
    made = template(str(studio.output))
    studio.task()
    dispatcher = studio.dispatcher(made)
    object.__setattr__(dispatcher._settings, "allowed_prefixes", (str(studio.output), "clickup://"))
    (found,) = dispatcher.run()
    assert (found.happened, found.code) == ("fault", 64) and "LORARUNER_ALLOWED_PREFIXES" in found.reasons[0]


def test_the_code_of_a_look() -> None:
    """0 when all is well, else that of the first task that is not; a signal comes first."""
    well, bad = Outcome("a", "started"), Outcome("b", "fault", 64, reasons=("Rank: no",))
    require_well([well], stopped=False)
    with pytest.raises(TasksUnwell, match="1 of 2 tasks are not well; the first is b: Rank: no"):
        require_well([well, bad], stopped=False)
    with pytest.raises(Preempted):
        require_well([well, bad], stopped=True)
    assert not isinstance(TasksUnwell([bad], 1), EnvironmentUnfit)
