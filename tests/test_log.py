"""Log records: JSON lines with their context, without secrets."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from loraruner import log
from loraruner.stage import in_parallel

SECRET = "planted-secret-0123456789"
LOG = logging.getLogger("loraruner.some.module")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Handlers, level and context as they were, afterwards."""
    root = logging.getLogger()
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_say_where_they_come_from(tmp_path: Path) -> None:
    """Run, attempt and stage stand in every record, also in those of worker threads."""
    log.configure(text=False, level="info", secrets=[])
    handler = log.add_file(tmp_path / "logs" / "train.log", [])
    log.bind(run="r-1", attempt=2)
    log.bind(stage="fetch")
    LOG.info("one of %d", 2)
    in_parallel({"a": lambda: LOG.warning("two"), "b": lambda: LOG.info("three")})
    log.remove(handler)
    LOG.info("after")
    found = lines(tmp_path / "logs" / "train.log")
    assert {(line["run"], line["attempt"], line["stage"]) for line in found} == {("r-1", 2, "fetch")}
    assert sorted(line["event"] for line in found) == ["one of 2", "three", "two"]
    assert found[0]["level"] == "info" and found[0]["timestamp"].endswith("Z")


def test_secrets_are_struck(tmp_path: Path) -> None:
    """In messages, arguments, context and tracebacks."""
    log.configure(text=False, level="info", secrets=[SECRET])
    handler = log.add_file(tmp_path / "train.log", [SECRET])
    log.bind(uri=f"https://ann:{SECRET}@host")
    try:
        raise KeyError(SECRET)
    except KeyError:
        LOG.exception("read %s", SECRET)
    log.remove(handler)
    text = (tmp_path / "train.log").read_text()
    (record,) = lines(tmp_path / "train.log")
    assert SECRET not in text
    assert "KeyError" in record["exception"] and record["event"] == "read [secret]"


def test_people_get_short_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, stage and message on stderr; warnings say so; nothing below the level."""
    log.configure(text=True, level="info", secrets=[SECRET])
    log.bind(stage="train")
    LOG.info("step 3 %s", SECRET)
    LOG.warning("hot")
    LOG.debug("hidden")
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert first[8:] == " train    step 3 [secret]"
    assert second[8:] == " train    WARNING: hot"
    assert out == ""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds of a log file that a test can reach."""
    for name, size in (("INFO_BYTES", 4000), ("WARNING_BYTES", 6000), ("ERROR_BYTES", 8000)):
        monkeypatch.setattr(log, name, size)


@pytest.mark.usefixtures("small")
def test_a_log_file_is_bounded(tmp_path: Path) -> None:
    """What matters most is written longest, each bound is told once, and the file never grows beyond the last."""
    log.configure(text=False, level="info", secrets=[])
    path = tmp_path / "train.log"
    handler = log.add_file(path, [])
    for _ in range(100):
        LOG.info("x" * 100)
    infos = path.stat().st_size
    for number in range(100):
        logging.getLogger(f"warns.{number}").warning("y" * 100)
    warnings = path.stat().st_size
    for _ in range(100):
        LOG.error("z" * 100)
    log.remove(handler)
    assert 4000 <= infos < 4500 and 6000 <= warnings < 6500 and 8000 <= path.stat().st_size < 8300
    told = [line["event"] for line in lines(path) if line["event"].startswith("the log has")]
    assert [each.partition("only ")[2] for each in told] == [
        "warnings and errors are written to it",
        "errors are written to it",
    ]


@pytest.mark.usefixtures("small")
def test_a_bound_holds_for_the_file(tmp_path: Path) -> None:
    """A file that is opened again is not written beyond its bound either."""
    log.configure(text=False, level="info", secrets=[])
    (tmp_path / "train.log").write_bytes(b"{}\n" * 2000)
    handler = log.add_file(tmp_path / "train.log", [])
    LOG.info("too late")
    LOG.error("heard")
    log.remove(handler)
    assert [line.get("event", "") for line in lines(tmp_path / "train.log")][2000:] == [
        "the log has 0 MiB: from here on only warnings and errors are written to it",
        "heard",
    ]


def test_a_warning_of_every_step_is_thinned_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a warning that one line repeats the first come, then ever fewer with their number; others are not touched."""
    log.configure(text=True, level="info", secrets=[])
    handler = log.add_file(tmp_path / "train.log", [])
    for step in range(1000):
        LOG.warning("step %d is slow", step)
    LOG.warning("another")
    for _ in range(100):
        LOG.error("an error")
    log.remove(handler)
    events = [line["event"] for line in lines(tmp_path / "train.log")]
    assert [each.split()[1] for each in events if "is slow" in each] == [
        *map(str, range(20)),
        *("31", "63", "127", "255", "511"),
    ]
    assert "step 511 is slow (warning number 512 of this kind; most are left out)" in events
    assert events.count("another") == 1 and events.count("an error") == 100
    assert capsys.readouterr().err.count("is slow") == 25


def test_a_full_disk_under_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Logging itself never fails and prints no traceback; the fault waits for whoever asks, and names the file."""
    log.configure(text=False, level="info", secrets=[])
    log.raise_fault()
    (tmp_path / "train.log").symlink_to("/dev/full")
    handler = log.add_file(tmp_path / "train.log", [])
    LOG.info("lost")
    LOG.info("lost too")
    with pytest.raises(OSError, match=r"No space left on device: '.*train\.log'"):
        log.raise_fault()
    log.remove(handler)
    log.raise_fault()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("text", [True, False])
def test_people_read_the_last_word_once(text: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the command line says at its end is no line of the log on a terminal; files and JSON lines have it."""
    log.configure(text=text, level="info", secrets=[])
    handler = log.add_file(tmp_path / "train.log", [])
    LOG.error("the disk is full (78)", extra={log.LAST_WORD: True})
    LOG.error("another fault")
    log.remove(handler)
    told = capsys.readouterr().err
    assert ("the disk is full" in told) is not text and "another fault" in told
    assert [line["event"] for line in lines(tmp_path / "train.log")] == ["the disk is full (78)", "another fault"]


@pytest.mark.parametrize("library", ["botocore.endpoint", "urllib3.connectionpool", "asyncio", "s3transfer.tasks"])
def test_libraries_below_stay_quiet(library: str, tmp_path: Path) -> None:
    """At debug level too: they would tell headers and bodies. Their warnings are told, ours are told from debug on."""
    log.configure(text=False, level="debug", secrets=[])
    handler = log.add_file(tmp_path / "train.log", [])
    logging.getLogger(library).debug("sent a header")
    logging.getLogger(library).info("received a body")
    logging.getLogger(library).warning("slow")
    LOG.debug("ours")
    log.remove(handler)
    assert [line["event"] for line in lines(tmp_path / "train.log")] == ["slow", "ours"]


def test_secrets_inside_of_values_are_struck(tmp_path: Path) -> None:
    """What is bound may be a list or an object; it stays one."""
    log.configure(text=False, level="info", secrets=[SECRET])
    handler = log.add_file(tmp_path / "train.log", [SECRET])
    log.bind(headers={"authorization": [f"Basic {SECRET}", 1]})
    LOG.info("sent")
    log.remove(handler)
    (record,) = lines(tmp_path / "train.log")
    assert record["headers"] == {"authorization": ["Basic [secret]", 1]}
