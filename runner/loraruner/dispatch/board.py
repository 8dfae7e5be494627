"""What dispatch asks of ClickUp: the calls of ``clients.clickup.ClickUpClient`` that it makes."""

from collections.abc import Iterator
from typing import Protocol

from loraruner.clients.clickup import OWN_PREFIX
from loraruner.clients.clickup_records import Task, Times


class Board(Protocol):
    """Every method raises the errors of ``loraruner.errors``: 66 for a task that was deleted, 77 for a wrong token."""

    def tasks(self, list_id: str, status: str) -> Iterator[Task]:
        """The tasks of a list in one status."""
        ...

    def task(self, task_id: str) -> Task:
        """One task with attachments and fields."""
        ...

    def time_in_status(self, task_id: str) -> Times:
        """Its status, and since when."""
        ...

    def post_comment(self, task_id: str, text: str) -> str:
        """Say something to its people."""
        ...

    def set_status(self, task_id: str, status: str) -> None:
        """Move it."""
        ...


def files_of(task: Task) -> list[tuple[str, str, int]]:
    """Id, title and bytes of what people attached; what loraruner attached itself starts nothing."""
    mine = (each for each in task.attachments if not each.title.startswith(OWN_PREFIX))
    return [(each.id, each.title, each.size_bytes) for each in mine]
