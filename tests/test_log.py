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
    handlers, level = root.handlers[:], root.level
    yield
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
