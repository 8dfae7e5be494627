"""Tell a ClickUp task how its run goes: comments, files, status, custom fields.

What was told is read from the task itself before the first message of an attempt: own comments end in a line that names
run and message, own files have names of their own. So nothing shows twice, even where a process died between telling
and noting it, or where an answer was lost.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from loraruner.clients.clickup import OWN_PREFIX, ClickUpClient, open_client
from loraruner.clients.clickup_records import Comment, Field, Task
from loraruner.clients.http import Refused, Unavailable
from loraruner.errors import InputMissing, LoraRunerError, NoPermission, SpecInvalid, TemporaryFailure
from loraruner.notifiers import clickup_fields, clickup_text
from loraruner.notifiers.attachments import chosen
from loraruner.notifiers.base import Message, RunFacts
from loraruner.settings import Settings
from loraruner.spec.addresses import CLICKUP_TASK
from loraruner.spec.model import ClickUpNotice, Notice

_LOG = logging.getLogger(__name__)
MAX_COMMENTS = 2000  # that are looked through for our own, since the run began
FEW_COMMENTS = 100  # of a job that never became a run
LEEWAY_MS = 24 * 3600 * 1000  # of clocks that differ
SENDS = 3  # of one thing whose answer was lost
# After these nothing else will work either.
HOPELESS = (NoPermission, InputMissing, TemporaryFailure)
PROGRESS = "progress"


def open_notifier(entry: Notice, run: RunFacts, settings: Settings) -> "ClickUpNotifier":
    """The notifier of one task; raises what ``open_client`` does, SpecInvalid (64) where no task is named."""
    assert isinstance(entry, ClickUpNotice)
    task_id = entry.task_id
    if task_id is None:
        match = CLICKUP_TASK.fullmatch(str(run.job["data"]["uri"]))
        if match is None:
            raise SpecInvalid("notify: no ClickUp task is named, and the data are those of none; give a task_id")
        task_id = match[1]
    return ClickUpNotifier(entry, task_id, run, open_client(settings))


@dataclass
class _Board:
    """What lies on the task: our comments by their text, the titles of all attachments, the list's fields."""

    task: Task
    me: int
    comments: list[Comment]
    titles: set[str]
    fields: tuple[Field, ...] | None = field(default=None)


class ClickUpNotifier:
    """See ``Notifier``."""

    def __init__(self, entry: ClickUpNotice, task_id: str, run: RunFacts, client: ClickUpClient) -> None:
        self.key = f"clickup:{task_id}"
        self._entry, self._task_id, self._run, self._client = entry, task_id, run, client
        self._board: _Board | None = None

    def send(self, message: Message) -> None:
        """See ``Notifier.send``: status, fields, comment, files; what can't be done is named, the rest is done.

        Raises InputMissing (66) for a deleted task, NoPermission (77), TemporaryFailure (75); SpecInvalid (64) naming
        the fields and statuses that are not as the job says.
        """
        board = self._board = self._board or self._look()
        if message.moment == "epoch":
            self._progress(board, message)
            return
        mark = clickup_text.marker(self._run.run_id, message.id)
        # With the comment the status was set, too, and people may have moved the task since.
        moved = [] if _marked(board, mark) else self._moved(board, message)
        problems = [*moved, *self._filled(board, message)]
        small, large = chosen(self._entry, message)
        notes = [f"Not done: {problem}" for problem in problems]
        notes += [f"Too large to attach: {path.name} ({_size(path)}){_place(message)}" for path in large]
        self._post(board, clickup_text.comment(message, notes, mark), mark)
        problems += [problem for path in small for problem in self._attached(board, message, path)]
        if problems:
            raise SpecInvalid(f"ClickUp task {self._task_id}: {'; '.join(problems)}")

    def _look(self) -> _Board:
        """Read the task and our comments of this run."""
        task, me = self._client.task(self._task_id), self._client.user()
        return _Board(task, me, self._own_comments(task.id, me), {each.title for each in task.attachments})

    def _own_comments(self, task_id: str, me: int) -> list[Comment]:
        since_ms, most = 0, FEW_COMMENTS
        if self._run.started:
            since_ms, most = _milliseconds(self._run.started) - LEEWAY_MS, MAX_COMMENTS
        found = []
        for comment in islice(self._client.comments(task_id), most):
            if comment.date_ms < since_ms:
                break
            if comment.author == me:
                found.append(comment)
        return found

    def _moved(self, board: _Board, message: Message) -> Iterator[str]:
        """Set the status of this moment; yields what went wrong."""
        if status := self._entry.statuses.get(message.moment):
            try:
                self._client.set_status(board.task.id, status)
            except Refused as error:
                told = error.words or error.status
                yield f"the status {status!r} could not be set ({told}); add it to the list, or correct notify.statuses"

    def _filled(self, board: _Board, message: Message) -> Iterator[str]:
        """Fill in the custom fields; yields what went wrong."""
        named = self._entry.fields
        if named == {} or message.moment == "warning" or (named is None and message.moment != "finished"):
            return
        try:
            if board.fields is None:
                board.fields = self._client.fields(board.task.list_id)
            facts = message.facts
            values = (
                clickup_fields.usual(board.fields, facts)
                if named is None
                else clickup_fields.named(named, board.fields, facts)
            )
            for each, value in values:
                yield from self._set(board, each, value)
        except SpecInvalid as error:
            yield str(error)

    def _set(self, board: _Board, each: Field, value: Any) -> Iterator[str]:
        try:
            self._client.set_field(board.task.id, each.id, value)
        except (Refused, InputMissing) as error:
            words = error.words if isinstance(error, Refused) else "it is not there any more"
            yield f"the custom field {each.name!r} could not be filled in ({words}); look at it in ClickUp"

    def _attached(self, board: _Board, message: Message, path: Path) -> Iterator[str]:
        """Attach a file unless one of its title is there; yields what went wrong."""
        title = self._title(message, path)

        def is_there() -> bool:
            board.titles = {each.title for each in self._client.task(board.task.id).attachments}
            return title in board.titles

        if title in board.titles:
            return
        try:
            _surely(lambda: self._client.attach(board.task.id, path, title), is_there)
            board.titles.add(title)
        except HOPELESS:
            raise
        except (LoraRunerError, OSError) as error:
            yield f"{path.name} was not attached ({error})"

    def _title(self, message: Message, path: Path) -> str:
        version = message.facts.get("version")
        run = self._run.run_id.removeprefix(f"{self._run.name}-")
        part = f"v{version}" if version and message.moment == "finished" else f"{run}-{message.id}"
        name = f"weights{path.suffix}" if path.stem == self._run.name else path.name
        return f"{OWN_PREFIX}{self._run.name}-{part}-{name}"

    def _progress(self, board: _Board, message: Message) -> None:
        """Write the one comment on the epochs, or edit it."""
        mark = clickup_text.marker(self._run.run_id, PROGRESS)
        found = _marked(board, mark)
        text = clickup_text.progress(message, found.text if found else "", mark)
        if found is None:
            self._post(board, text, mark)
        elif found.text.strip() != text:
            try:
                self._client.edit_comment(found.id, text, board.me)
            except InputMissing:  # somebody deleted the comment; the task is still there
                board.comments.remove(found)
                self._post(board, text, mark)
            else:
                board.comments[board.comments.index(found)] = Comment(found.id, text, found.author, found.date_ms)

    def _post(self, board: _Board, text: str, mark: str) -> None:
        """Comment unless the comment is there; after a lost answer the task is looked at again."""
        if _marked(board, mark):
            return

        def post() -> None:
            comment_id = self._client.post_comment(board.task.id, text)
            board.comments.append(Comment(comment_id, text, board.me, 0))

        def is_there() -> bool:
            board.comments = self._own_comments(board.task.id, board.me)
            return _marked(board, mark) is not None

        _surely(post, is_there)


def _surely(send: Callable[[], None], is_there: Callable[[], bool]) -> None:
    """Send once: again only where the answer was lost and the thing is not there."""
    for number in range(1, SENDS + 1):
        try:
            send()
            return
        except Unavailable as error:
            if not error.arrived or number == SENDS:
                raise
            _LOG.info("an answer was lost, the task is looked at: %s", error)
            if is_there():
                return


def _marked(board: _Board, mark: str) -> Comment | None:
    return next((each for each in board.comments if clickup_text.is_marked(each.text, mark)), None)


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _size(path: Path) -> str:
    return clickup_text.size(path.stat().st_size)


def _place(message: Message) -> str:
    address = message.facts.get("address")
    return f", it lies at {address}" if address and message.moment == "finished" else ""
