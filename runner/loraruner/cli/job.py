"""JOB, the argument of every command that takes one: a path, ``-`` for stdin, or the URI of any store."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from loraruner.errors import InputMissing, NoPermission

F = TypeVar("F", bound=Callable[..., Any])

READ_BYTES = (1 << 20) + 1  # one more than a job may have: enough to be refused


def job_arguments(function: F) -> F:
    """The argument JOB and the option ``--set``, handed on as ``job`` and ``overrides``."""
    option = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="PATH=VALUE",
        help="Replace one field, as in training.epochs=3 (repeatable); null takes it out.",
    )
    return click.argument("job")(option(function))


def read_job(job: str) -> bytes:
    """The bytes of a job; raises InputMissing (66) where it is absent, NoPermission (77) where locked."""
    if job == "-":
        return sys.stdin.buffer.read(READ_BYTES)
    if "://" in job:
        return _read_uri(job)
    try:
        with Path(job).open("rb") as stream:
            return stream.read(READ_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(f"{job}: there is no such file; give a job's path, its URI, or - for stdin") from None
    except IsADirectoryError:
        raise InputMissing(f"{job}: this is a folder; give the JSON file inside it") from None
    except PermissionError:
        raise NoPermission(f"{job}: this file may not be read; change its permissions") from None
    except OSError as error:  # a name that is too long, links in a circle, a disk that fails
        raise InputMissing(f"{job:.200}: cannot be read ({error.strerror}); give a job's path or its URI") from None


def _read_uri(uri: str) -> bytes:
    """Stores are imported here alone: a local job needs none of them."""
    from loraruner import settings
    from loraruner.stores import open_store

    return open_store(uri, settings.load()).read("")[0]
