"""A ClickUp list with a task, a template, and dispatchers that look at it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loraruner import settings
from loraruner.clients.clickup import open_client
from loraruner.dispatch import local
from loraruner.dispatch.local import Ended
from loraruner.dispatch.outcome import Outcome
from loraruner.dispatch.run import Dispatcher, Request
from loraruner.dispatch.template import Template, read
from tests.support.loop_scripts import LIST_ID, ClickUpServer

STATUS, MOVING_TO, BACK = "ready to train", "training", "to do"


def document(output: str, **more: Any) -> dict[str, Any]:
    """A template: three fields, everything else as it stands."""
    job = {"task": "text-to-image", "model": {"base": "models/sd"}, "output": {"uri": output}, **more}
    return {"job": job, "fields": {"Rank": "lora.rank", "Prompts": "sampling.prompts", "Team": "labels.team"}}


def template(output: str, **more: Any) -> Template:
    """The same, read."""
    return read(json.dumps(document(output, **more)).encode())


@dataclass
class Trainings:
    """In place of child processes: what was to be trained, and how each ends; the last end repeats."""

    ends: list[int] = field(default_factory=lambda: [0])
    jobs: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def runs(self) -> list[str]:
        """The run ids."""
        return [run_id for run_id, _ in self.jobs]

    def train(self, _: local.Children, job: Mapping[str, Any], run_id: str) -> Ended:
        """Stands for ``Children.train``."""
        self.jobs.append((run_id, job))
        code = self.ends[min(len(self.jobs), len(self.ends)) - 1]
        return Ended(code, {"version": str(len(self.jobs))} if code == 0 else {})


@dataclass
class Studio:
    """A ClickUp list and a folder for results."""

    server: ClickUpServer
    output: Path
    trainings: Trainings = field(default_factory=Trainings)

    def task(self, name: str = "Train Cyberpunk", **values: Any) -> str:
        """A task with one file, ready to train; ``values`` fill its fields."""
        task_id = self.server.create_task(name)
        self.server.attach(task_id, "pictures.zip", b"zip")
        for title, value in values.items():
            self.server.set_value(task_id, title, value)
        self.server.move(task_id, STATUS)
        return task_id

    def settings(self) -> settings.Settings:
        """An operator who named this ClickUp."""
        return settings.load({**os.environ, "CLICKUP_API_URL": self.server.url, "CLICKUP_TOKEN": self.server.token})

    def dispatcher(self, made: Template | None = None, **request: Any) -> Dispatcher:
        """One look at the list."""
        asked = Request(LIST_ID, STATUS, **{"moving_to": MOVING_TO, **request})
        own = self.settings()
        return Dispatcher(asked, made or template(str(self.output)), open_client(own, sleep=lambda pause_s: None), own)

    def look(self, made: Template | None = None, **request: Any) -> list[Outcome]:
        """What happened in one look."""
        return list(self.dispatcher(made, **request).run())

    def claims(self, task_id: str) -> list[dict[str, Any]]:
        """What the claims of a task say."""
        paths = sorted((self.output / ".dispatch" / task_id).glob("*.json"))
        return [json.loads(path.read_text()) for path in paths]
