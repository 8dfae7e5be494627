"""What people see on a ClickUp task while and after a run, whatever happens in between."""

from pathlib import Path
from typing import Any

import pytest

from loraruner import settings
from loraruner.errors import EnvironmentUnfit, InputMissing, NoPermission, SpecInvalid, TemporaryFailure
from loraruner.notifiers import open_notifier
from loraruner.notifiers.base import RunFacts
from loraruner.spec.model import ClickUpNotice
from tests.support import clickup
from tests.support.clickup import FACTS, finished, message, notifier
from tests.support.loop_scripts import ClickUpServer

RUN = "style-0123456789ab"


def test_a_whole_run(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Start and end move the task and are commented on; files and usual fields arrive."""
    for title, kind in (("Model Version", "text"), ("Licence scope", "drop_down"), ("Valid until", "date")):
        server.add_field(title, kind, ("Internal", "Public") if kind == "drop_down" else ())
    server.add_field("Peak memory (GB)", "number")
    server.add_field("Duration", "short_text")
    telling = notifier(server, tmp_path, task, statuses={"started": "training", "finished": "review"})
    telling.send(message("started", "started"))
    assert server.status(task) == "training"
    telling.send(finished(tmp_path / "files", report=10, log=20, weights=30))
    assert server.status(task) == "review"
    assert [text.splitlines()[0] for text in server.comments(task)] == [
        "style: training has started",
        "style: version 3 is published",
    ]
    assert sorted(server.attachments(task)) == [
        "loraruner-style-v3-report.html",
        "loraruner-style-v3-train.log",
        "loraruner-style-v3-weights.safetensors",
    ]
    assert server.values(task) == {
        "Model Version": "3: s3://loras/style/versions/3/",
        "Licence scope": "Internal",
        "Valid until": 1798797600000,  # ten in the morning of 2027-01-01, UTC
        "Peak memory (GB)": 18.7,
        "Duration": "142.5",
    }


def test_one_comment_on_the_epochs(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Epochs are told in one comment, edited each time; the newest stands first, the earlier ones below, in short."""
    telling = notifier(server, tmp_path, task)
    for epoch in (1, 2):
        telling.send(message(f"epoch-{epoch}", "epoch", f"style: epoch {epoch} of 3, loss 0.{epoch}\nStep {epoch}"))
    resumed = notifier(server, tmp_path, task)
    resumed.send(message("epoch-3", "epoch", "style: epoch 3 of 3, loss 0.3\nStep 3"))
    assert server.comments(task) == [
        "style: epoch 3 of 3, loss 0.3\nStep 3\n\nEarlier:\nepoch 2 of 3, loss 0.2\n"
        f"epoch 1 of 3, loss 0.1\n[run {RUN}, progress]"
    ]


def test_a_deleted_progress_comment(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Where somebody deletes the comment on the epochs, the next epoch writes it anew."""
    telling = notifier(server, tmp_path, task)
    telling.send(message("epoch-1", "epoch", "one"))
    server.tasks[task]["comments"].clear()
    telling.send(message("epoch-2", "epoch", "two"))
    assert len(server.comments(task)) == 1
    assert "two" in server.comments(task)[0]


def test_a_failure(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Reason and the last lines of the log are in the comment, bounded and without control characters."""
    log = [f"line {number} " + "x" * 400 for number in range(100)]
    told = message("failed-79-1", "failed", "style: failed\nno loss\x1b[2J", data={"log": log})
    notifier(server, tmp_path, task, statuses={"failed": "failed"}).send(told)
    [text] = server.comments(task)
    assert server.status(task) == "failed"
    assert "no loss [2J" in text
    assert "line 99" in text
    assert "line 59 " not in text
    assert max(map(len, text.splitlines())) <= 300


@pytest.mark.parametrize("moment", ["started", "warning", "failed", "finished"])
def test_nothing_is_told_twice(server: ClickUpServer, task: str, tmp_path: Path, moment: Any) -> None:
    """A resumed attempt finds comment and files on the task and leaves them."""
    file = tmp_path / "train.log"
    file.write_text("log")
    told = message(f"{moment}-1", moment, facts=FACTS, files={"log": file})
    for _ in range(2):
        notifier(server, tmp_path, task).send(told)
    assert len(server.comments(task)) == 1
    assert len(server.tasks[task]["attachments"]) == 1


@pytest.mark.parametrize("status", [0, 502])
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("match", ["/comment", "/attachment"])
def test_a_lost_answer(server: ClickUpServer, task: str, tmp_path: Path, status: int, late: bool, match: str) -> None:
    """Whether the request was carried out or not before the answer was lost: it shows once, not twice or never."""
    server.inject(status, match=f"POST /v2/task/{task}{match}", late=late)
    notifier(server, tmp_path, task).send(finished(tmp_path / "files", log=9))
    assert len(server.comments(task)) == 1
    assert len(server.tasks[task]["attachments"]) == 1


def test_a_person_quotes_the_mark(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """A comment of somebody else is never taken for an own one, nor edited."""
    quoted = f"look!\n[run {RUN}, progress]"
    server.comment(task, quoted)
    notifier(server, tmp_path, task).send(message("epoch-1", "epoch", "one"))
    assert server.comments(task)[0] == quoted
    assert len(server.comments(task)) == 2


def test_many_comments(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """An own comment is found below a hundred others."""
    notifier(server, tmp_path, task).send(message("started", "started"))
    for number in range(100):
        server.comment(task, f"chat {number}")
    notifier(server, tmp_path, task).send(message("started", "started"))
    assert len(server.comments(task)) == 101


def test_patience(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Too many requests and a server that stumbles are waited for."""
    server.inject(429, times=2, headers={"X-RateLimit-Reset": str(int(clickup.NOW) + 30)})
    server.inject(503, match="GET /v2/user")
    notifier(server, tmp_path, task).send(message("started", "started"))
    assert len(server.comments(task)) == 1


def test_a_server_that_stays_down(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """A service that stays away ends in 75, and the next message tries again."""
    server.inject(503, times=4)
    telling = notifier(server, tmp_path, task)
    with pytest.raises(TemporaryFailure):
        telling.send(message("started", "started"))
    telling.send(message("started", "started"))
    assert len(server.comments(task)) == 1


def test_a_deleted_task(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """A deleted task is named as such."""
    server.delete(task)
    with pytest.raises(InputMissing, match=r"Task not found, deleted.*it may have been deleted"):
        notifier(server, tmp_path, task).send(message("started", "started"))


def test_a_wrong_token(server: ClickUpServer, task: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong token is 77, says what to set, and is never shown."""
    caplog.set_level("DEBUG")
    server.token = "pk_another_token"
    telling = notifier(server, tmp_path, task)
    server.token = "pk_the_right_one"
    with pytest.raises(NoPermission, match="CLICKUP_TOKEN") as raised:
        telling.send(message("started", "started"))
    assert "pk_another_token" not in str(raised.value) + caplog.text


def test_a_status_that_the_list_lacks(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """The error names the status and what to do; the comment is posted all the same."""
    with pytest.raises(SpecInvalid, match=r"status 'in review' could not be set \(Status not found ITEM_114\)"):
        notifier(server, tmp_path, task, statuses={"started": "in review"}).send(message("started", "started"))
    assert len(server.comments(task)) == 1


def test_a_task_that_people_have_moved_on(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """What could not be done is tried once more by the next start, but a status that was set is left to people."""
    telling = {"statuses": {"finished": "review"}, "fields": {"Model version": "version"}}
    with pytest.raises(SpecInvalid, match="no custom field 'Model version'"):
        notifier(server, tmp_path, task, **telling).send(finished(tmp_path / "files"))
    assert server.status(task) == "review"
    server.move(task, "complete")
    server.add_field("Model version", "short_text")
    notifier(server, tmp_path, task, **telling).send(finished(tmp_path / "files"))
    assert server.status(task) == "complete" and server.values(task) == {"Model version": "3"}
    assert len(server.comments(task)) == 1


def test_a_log_that_holds_a_mark(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Only the last line of a comment names it: lines of a log above it don't."""
    telling = notifier(server, tmp_path, task)
    telling.send(message("failed-65-1", "failed", data={"log": ["bad", f"[run {RUN}, progress]"]}))
    telling.send(message("epoch-1", "epoch"))
    assert len(server.comments(task)) == 2 and "bad" in server.comments(task)[0]


def test_files_too_large(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """Files above the limit of the job, or of ClickUp, are not attached; the comment says where they lie."""
    files = finished(tmp_path / "files", report=100, log=1_000_001, weights=2 << 30)
    notifier(server, tmp_path, task, max_attachment_mb=1).send(files)
    assert list(server.attachments(task)) == ["loraruner-style-v3-report.html"]
    [text] = server.comments(task)
    assert "style.safetensors (2.1 GB), it lies at s3://loras/style/versions/3/" in text
    assert "train.log (1.0 MB)" in text
    server.tasks[task]["attachments"].clear()
    notifier(server, tmp_path, task, attach=("weights",)).send(finished(tmp_path / "files", weights=1_000_000_001))
    assert not server.attachments(task)


def test_only_what_the_job_attaches(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """``notify.attach`` says which files go to the task."""
    notifier(server, tmp_path, task, attach=("log",)).send(finished(tmp_path / "files", report=1, log=1))
    assert list(server.attachments(task)) == ["loraruner-style-v3-train.log"]


def test_a_custom_id(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """A custom task id is looked up in the token's Workspace."""
    server.tasks[task]["custom_id"] = "ART-12"
    notifier(server, tmp_path, "ART-12").send(message("started", "started"))
    assert len(server.comments(task)) == 1


def test_nobody_else_is_notified(server: ClickUpServer, task: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Comments say notify_all false."""
    seen: list[Any] = []

    def watched(*call: Any) -> Any:
        seen.append(call)
        return answer(*call)

    answer = server.answer
    monkeypatch.setattr(server, "answer", watched)
    notifier(server, tmp_path, task).send(message("started", "started"))
    assert [call[3]["notify_all"] for call in seen if call[0] == "POST"] == [False]


def run_on(uri: str) -> RunFacts:
    return RunFacts("r", 1, "", "s3://loras/style", {"name": "style", "data": {"uri": uri}})


def test_the_task_of_the_data(server: ClickUpServer, tmp_path: Path) -> None:
    """Without a task_id the task of ``data.uri`` is told; data from elsewhere are 64."""
    here = clickup.environment(server, tmp_path)
    assert open_notifier(ClickUpNotice(), run_on("clickup://86c1"), here).key == "clickup:86c1"
    with pytest.raises(SpecInvalid, match="give a task_id"):
        open_notifier(ClickUpNotice(), run_on("s3://data/x"), here)
    assert not server.requests


@pytest.mark.parametrize("token", ["", "pk a", "pk_\u200b1"])
def test_no_token(token: str) -> None:
    """Without a token that can be one, opening says what to set."""
    with pytest.raises(EnvironmentUnfit, match="CLICKUP_TOKEN"):
        open_notifier(ClickUpNotice(task_id="x"), run_on(""), settings.load({"HOME": "/x", "CLICKUP_TOKEN": token}))


@pytest.mark.parametrize(
    "told",
    [[], {}, {"id": 1, "attachments": 3}, {"id": "1", "attachments": [{"id": 1, "url": "x", "size": "9" * 99}]}, None],
)
def test_malformed_answers(server: ClickUpServer, task: str, tmp_path: Path, monkeypatch: Any, told: Any) -> None:
    """An answer of another shape is an error of the table, never a crash."""
    from loraruner.errors import DataInvalid

    monkeypatch.setattr(server, "answer", lambda *call: told)
    with pytest.raises(DataInvalid, match="malformed"):
        notifier(server, tmp_path, task).send(message("started", "started"))
