"""Many pictures measured by several processes, answers in the order of the pictures.

The processes are ours and talk in lines of JSON: nothing is pickled, and the caller's ``__main__`` is not run again, as
the workers of multiprocessing would.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from loraruner.data.quality import picture_worker
from loraruner.data.quality.picture_measures import Measured
from loraruner.errors import EnvironmentUnfit
from loraruner.threads import available_cpus

CHUNK = 16  # pictures a process is given at once: the answers fit into a pipe
AHEAD = 4  # chunks a process may be ahead of the slowest
MIN_POOLED = 64  # fewer pictures take less time than processes take to start
MAX_WORKERS = 16  # each may hold a picture of MAX_PIXELS several times
COMMAND = (sys.executable, "-P", "-m", picture_worker.__name__)  # -P: no module is taken from the current folder

Answers = list[Measured | str]


def measure_all(paths: Sequence[Path], num_workers: int | None = None) -> Generator[Answers, None, None]:
    """Measure every picture: the answers to one chunk after the other, a reason where a picture can't be read.

    ``num_workers`` None: one for each CPU. Closing the iterator ends the processes. Raises EnvironmentUnfit (78) that
    names the picture when a process dies of it.
    """
    num_workers = num_workers or min(available_cpus(), MAX_WORKERS)
    if num_workers == 1 or len(paths) < MIN_POOLED:
        yield from ([picture_worker.look_at(path) for path in chunk] for chunk in _chunks(paths))
        return
    with _started(num_workers) as workers, ThreadPoolExecutor(num_workers) as threads:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in workers:
            idle.put(worker)
        pending: deque[Future[Answers]] = deque()
        try:
            for chunk in _chunks(paths):
                pending.append(threads.submit(_ask, idle, chunk))
                if len(pending) >= num_workers * AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.kill()  # a thread that waits for an answer sees the end of the pipe


def _chunks(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    return (paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK))


def _ask(idle: "SimpleQueue[_Worker]", paths: Sequence[Path]) -> Answers:
    worker = idle.get()
    try:
        return worker.ask(paths)
    finally:
        idle.put(worker)


@contextmanager
def _started(num_workers: int) -> Iterator[list["_Worker"]]:
    workers: list[_Worker] = []
    try:
        for _ in range(num_workers):
            workers.append(_Worker())
        yield workers
    except OSError as error:
        raise EnvironmentUnfit(f"a process to look at pictures can't be started: {error}") from error
    finally:
        for worker in workers:
            worker.close()


class _Worker:
    """One process of ``picture_worker``."""

    def __init__(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, env=environment, encoding="ascii")

    def ask(self, paths: Sequence[Path]) -> Answers:
        """Measure some pictures, one after the other."""
        assert self._process.stdin and self._process.stdout
        answers: Answers = []
        try:
            self._process.stdin.writelines(f"{picture_worker.question(path)}\n" for path in paths)
            self._process.stdin.flush()
            for _ in paths:
                answers.append(picture_worker.read(self._process.stdout.readline()))
        except (BrokenPipeError, ValueError) as error:  # ValueError: the end of the pipe is no JSON
            raise EnvironmentUnfit(
                f"{paths[len(answers)]}: the process that looked at this picture ended ({self._end_of_life()}); give "
                "this machine more memory, or remove the picture"
            ) from error
        return answers

    def _end_of_life(self) -> str:
        code = self._process.wait()
        return f"by signal {-code}" if code < 0 else f"with exit code {code}"

    def kill(self) -> None:
        """End the process: it holds nothing that could be lost."""
        self._process.kill()

    def close(self) -> None:
        """End the process and let go of its pipes; no thread may wait for an answer."""
        self.kill()
        self._process.communicate()
