"""The team's loop, command by command: a task is trained, reviewed, trained again, scored, released and fetched.

What is asserted is what a person would see: the task's thread and fields, the sheet, the registry's answers.
"""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import openapi, prism
from tests.support.dispatching import STATUS
from tests.support.front import front
from tests.support.loop_scripts import LIST_ID, ClickUpServer, SmartsheetServer, WebhookReceiver
from tests.support.user import STYLE_BASE, write_pictures

pytestmark = pytest.mark.slow
TASK, SECRET = "86c2x9k1p", "a-secret-of-this-test"
EXPIRES_MS, DAY_MS = 1_830_211_200_000, 86_400_000  # 2027-12-31
DEADLINE_S = 120.0
COLUMNS = {"Project": "TEXT_NUMBER", "Customer score": "TEXT_NUMBER"}


@dataclass
class Loop:
    """The services, and a person at the command line."""

    clickup: ClickUpServer
    sheets: SmartsheetServer
    receiver: WebhookReceiver
    folder: Path
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sheet_id = self.sheets.add_sheet("LoRA runs", COLUMNS)
        self.loras = self.folder / "loras"

    def environment(self) -> dict[str, str]:
        own = {
            "CLICKUP_API_URL": self.clickup.url,
            "CLICKUP_TOKEN": self.clickup.token,
            "SMARTSHEET_API_URL": self.sheets.url,
            "SMARTSHEET_TOKEN": self.sheets.token,
            "LORARUNER_WEBHOOK_URL": self.receiver.url,
            "LORARUNER_WEBHOOK_SECRET": SECRET,
        }
        return os.environ | own | self.more

    def start(self, *words: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "loraruner", *map(str, words)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.environment(), cwd=self.folder, **pipes)

    def run(self, *words: object, code: int = 0) -> dict[str, Any]:
        """A command and its one JSON object."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err[-3000:]
        found: dict[str, Any] = json.loads(out)
        return found

    @property
    def look(self) -> tuple[object, ...]:
        """The words of a look at the list."""
        options = ("--template", self.folder / "template.json", "--moving-to", "training")
        return ("clickup", "dispatch", "--list", LIST_ID, "--status", STATUS, *options)

    def dispatch(self) -> list[str]:
        """What happened to each task."""
        return [each["happened"] for each in self.run(*self.look)["tasks"]]

    def rows(self) -> list[dict[str, Any]]:
        return self.sheets.rows(self.sheet_id)

    def said(self, words: str) -> int:
        """How many comments of the task hold these words."""
        return sum(words in text for text in self.clickup.comments(TASK))

    def told(self) -> list[str]:
        """The webhook's events, without the epochs."""
        return [each["event"] for each in self.receiver.events if each["event"] != "epoch"]


def template(sheet_id: int, output: Path) -> dict[str, Any]:
    """Four steps on a base of the smallest size."""
    notices = [{"kind": "clickup", "statuses": {"finished": "review", "failed": "failed"}}, {"kind": "webhook"}]
    job = {
        "task": "text-to-image",
        "model": {"base": str(STYLE_BASE)},
        "lora": {"rank": 2, "alpha": 2},
        "training": {"max_steps": 4, "batch_size": 2, "precision": "fp32"},
        "options": {"resolution": 64, "sample_steps": 2},
        "sampling": {"prompts": ["a circle"]},
        "output": {"uri": str(output)},
        "notify": [*notices, {"kind": "smartsheet", "sheet_id": sheet_id, "create_columns": True}],
        "labels": {"license": "internal"},
    }
    fields = {
        "Rank": "lora.rank",
        "Steps": "training.max_steps",
        "Team": "labels.team",
        "Valid until": "labels.expires",
    }
    return {"job": job, "fields": fields}


def pictures(folder: Path) -> bytes:
    write_pictures(folder / "pictures", 12)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((folder / "pictures").iterdir()):
            archive.write(path, f"neon_style_20261101/{path.name}")
    return packed.getvalue()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    """A list with a task that has pictures and fields, ready to train."""
    with ExitStack() as stack:
        clickup = stack.enter_context(ClickUpServer())
        sheets = stack.enter_context(SmartsheetServer())
        receiver = stack.enter_context(WebhookReceiver(secret=SECRET))
        made = Loop(clickup, sheets, receiver, tmp_path)
        for name, kind in {"Rank": "number", "Steps": "number", "Valid until": "date"}.items():
            clickup.add_field(name, kind)
        for name in ("Model version", "Licence scope"):
            clickup.add_field(name, "short_text")
        clickup.add_field("Team", "drop_down", ["brand", "games"])
        clickup.create_task("Train Neon Style LoRA", task_id=TASK)
        clickup.attach(TASK, "neon_style_20261101.zip", pictures(tmp_path))
        clickup.set_value(TASK, "Team", clickup.fields[-1]["type_config"]["options"][1]["id"])
        clickup.set_value(TASK, "Valid until", EXPIRES_MS)
        clickup.move(TASK, STATUS)
        (tmp_path / "template.json").write_text(json.dumps(template(made.sheet_id, made.loras)))
        yield made


def test_the_loop(loop: Loop) -> None:
    """From the task to a released version that somebody fetches, with every word that people read on the way."""
    the_whole_loop(loop)
    statistics = loop.run("registry", "stats", loop.loras, "--html", loop.folder / "dashboard.html")
    assert "games" in json.dumps(statistics)
    assert "games" in (loop.folder / "dashboard.html").read_text()
    assert loop.told() == ["started", "finished", "started", "finished"]


def test_the_loop_by_the_vendors_contracts(loop: Loop, tmp_path: Path) -> None:
    """The same through Prism: nothing that either vendor's document refuses, neither asked nor answered."""
    clickup = prism.readable(openapi.document("clickup-v2"), tmp_path)
    sheets = prism.satisfiable(openapi.document("smartsheet-v2"), tmp_path)
    with ExitStack() as stack:
        first = stack.enter_context(prism.proxy(clickup, loop.clickup.url))
        second = stack.enter_context(prism.proxy(sheets, loop.sheets.url))
        # Files are no part of the contract, and must lie where the API is.
        entry = stack.enter_context(front(first.url, loop.clickup.url))
        (attached,) = loop.clickup.tasks[TASK]["attachments"]
        attached["url"] = attached["url"].replace(loop.clickup.url.removesuffix("/api"), entry)
        loop.more = {"CLICKUP_API_URL": entry, "SMARTSHEET_API_URL": second.url}
        the_whole_loop(loop)
        assert first.violations() == second.violations() == []


def the_whole_loop(loop: Loop) -> None:
    """Train, review, train again, score, release, fetch."""
    clickup = loop.clickup
    assert loop.dispatch() == ["started"]
    first_version(loop)
    clickup.comment(TASK, "set 3 is too dark, retrain")
    clickup.set_value(TASK, "Rank", 4)
    clickup.move(TASK, STATUS)
    assert loop.dispatch() == ["started"]
    assert loop.dispatch() == []
    second_version(loop)
    scored_and_released(loop)


def first_version(loop: Loop) -> None:
    """What the task and the sheet show when the first training is done."""
    clickup = loop.clickup
    assert clickup.status(TASK) == "review"
    assert loop.said("training has started") == loop.said("version 1 is published") == 1
    values = clickup.values(TASK)
    assert values["Model version"] == f"1: {loop.loras}/{TASK}/versions/1/" and values["Licence scope"] == "internal"
    assert values["Valid until"] // DAY_MS == EXPIRES_MS // DAY_MS
    titles = [title for title in clickup.attachments(TASK) if title.startswith(f"loraruner-{TASK}-v1-")]
    # The log, the sheet of samples, the report, the weights; each once.
    assert sorted(title.rpartition(".")[2] for title in titles) == ["html", "log", "png", "safetensors"]
    assert all(clickup.attachments(TASK).values())
    (row,) = loop.rows()
    assert (row["Success"], row["Number of samples"], row["Project"]) == (True, 12, TASK)
    assert row["Version address"] == values["Model version"]


def second_version(loop: Loop) -> None:
    """A second run of the same adapter: its own comments, files and row beside those of the first."""
    clickup = loop.clickup
    assert clickup.status(TASK) == "review" and loop.said("version 2 is published") == 1
    assert clickup.values(TASK)["Model version"] == f"2: {loop.loras}/{TASK}/versions/2/"
    runs = [row["Run"] for row in loop.rows()]
    assert len(set(runs)) == 2 and all(run.startswith(f"{TASK}-") for run in runs)
    jobs = [json.loads((loop.loras / TASK / f"versions/{number}/job.json").read_text()) for number in (1, 2)]
    assert [job["lora"]["rank"] for job in jobs] == [2, 4]
    used = json.loads((loop.loras / TASK / "versions/2/manifest.json").read_text())["data"]["used"]
    assert used == 12  # the files that loraruner attached to the task are no data


def scored_and_released(loop: Loop) -> None:
    """The score in the sheet becomes the registry's, an approval a release, and the release what is fetched."""
    loop.sheets.set_cell(loop.sheet_id, 2, "Customer score", 4.8)
    loop.run("registry", "sync", loop.loras, "--sheet", loop.sheet_id)
    version = f"{loop.loras}/{TASK}@2"
    loop.run("registry", "review", version, "--approve", "--by", "Mara")
    loop.run("registry", "promote", version, "released", "--by", "admin")
    loop.run("registry", "pull", f"{loop.loras}/{TASK}", "--to", loop.folder / "mine")
    fetched = json.loads((loop.folder / "mine/manifest.json").read_text())
    assert (fetched["version"], fetched["labels"]["team"]) == ("2", "games")
    rows = {row["version"]: row for row in loop.run("registry", "list", loop.loras)["versions"]}
    assert rows["2"]["status"] == "released" and rows["2"]["score"] == 4.8


def test_stopped_in_the_middle_and_gone_on(loop: Loop) -> None:
    """SIGTERM to the dispatcher ends the training in order; the next look goes on, and nobody is told a thing twice."""
    loop.clickup.set_value(TASK, "Steps", 60)
    process = loop.start(*loop.look)
    wait_for(loop, "epoch", process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 85, err[-3000:]
    assert loop.clickup.status(TASK) == "training"
    assert loop.dispatch() == ["resumed"]
    (status,) = (json.loads(path.read_text()) for path in (loop.loras / TASK / "runs").glob("*/status.json"))
    assert (status["state"], status["attempt"]) == ("published", 2)
    for words in ("training has started", "epoch 1 ", "version 1 is published"):
        assert loop.said(words) == 1, loop.clickup.comments(TASK)
    titles = [each["title"] for each in loop.clickup.tasks[TASK]["attachments"]]
    assert len(titles) == len(set(titles)) and len(loop.rows()) == 1
    assert loop.clickup.status(TASK) == "review" and loop.told().count("finished") == 1


def wait_for(loop: Loop, words: str, process: "subprocess.Popen[str]") -> None:
    """Until the task's people read it."""
    ends = time.monotonic() + DEADLINE_S
    while not loop.said(words):
        assert process.poll() is None and time.monotonic() < ends, loop.clickup.comments(TASK)
        time.sleep(0.02)
