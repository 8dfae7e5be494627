"""Helm and kubectl, run as programs: bounded time and output, no shell, and their complaints as our exit codes.

Their texts are what ``helm`` 3.18 to 4.3 and ``kubectl`` 1.29 to 1.37 print; one that is not known is 78.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from loraruner.errors import (
    EnvironmentUnfit,
    InputMissing,
    LoraRunerError,
    NoPermission,
    SpecInvalid,
    TemporaryFailure,
)

RENDER_S, ASK_S, INSTALL_S = 120, 60, 300
MAX_OUTPUT_BYTES = 8 << 20  # a release is kept in one object of the cluster, which takes 1 MiB
MAX_PLACES = 20
MAX_COMPLAINT_CHARACTERS = 1000

_DEBUG_HINT = "Use --debug flag to render out invalid YAML"
_SCHEMA = "don't meet the specifications of the schema"
# The first that fits counts: a refusal may tell of an address, and a fault of the network of what was not found.
_MEANINGS: tuple[tuple[str, type[LoraRunerError]], ...] = (
    (r"execution error at|failed to parse|parse error|invalid release name|incompatible with kubernetes", SpecInvalid),
    (r"forbidden|unauthori[sz]ed|denied|\b40[13]\b|must be logged in|provide credentials", NoPermission),
    (
        r"unreachable|connection (refused|reset)|no such host|time(d )?-?out|deadline exceeded|unable to connect"
        r"|\beof\b|tls|x509|did you specify the right host|another operation|too many requests|unavailable",
        TemporaryFailure,
    ),
    (r"not found|no such file|non-absolute urls|chart\.yaml file is missing", InputMissing),
)


@dataclass(frozen=True)
class Answer:
    """What a program ended with, printed, and complained of."""

    code: int
    out: str
    complaint: str


def find(program: str, variable: str) -> str:
    """The program's path; raises EnvironmentUnfit (78) naming the environment variable that can tell another one."""
    path = shutil.which(program)
    if path is None:
        raise EnvironmentUnfit(
            f"{program}: there is no such program on PATH; install it, or set {variable} to its path"
        )
    return path


def run(command: Sequence[str], limit_s: int) -> Answer:
    """Run a program to its end, without input.

    Raises TemporaryFailure (75) where it takes longer than ``limit_s`` seconds, EnvironmentUnfit (78) where it cannot
    be started or prints more than ``MAX_OUTPUT_BYTES``.
    """
    told = " ".join(command[:2])
    # Files, not pipes: a helper of theirs that lives on must not keep us waiting for the end of a pipe.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaint:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaint, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise TemporaryFailure(f"{told}: did not end within {limit_s} s; see whether the server answers") from None
        except OSError as error:
            raise EnvironmentUnfit(f"{told}: cannot be run ({error.strerror}); install it anew") from None
        return Answer(done.returncode, _text(out, told), _text(complaint, told))


def fault(what: str, complaint: str) -> LoraRunerError:
    """A complaint of helm or kubectl as one of our errors; ``what`` was tried, as in "helm template"."""
    if _SCHEMA in complaint:
        return SpecInvalid(f"values: {'; '.join(places(complaint))}; correct these values")
    if "localhost:8080" in complaint:  # where kubectl looks without any configuration
        return EnvironmentUnfit(f"{what}: no cluster is configured; set KUBECONFIG or `kubectl config use-context`")
    text = _last(complaint)
    for pattern, kind in _MEANINGS:
        if re.search(pattern, complaint, re.IGNORECASE):
            return kind(f"{what}: {text}")
    return EnvironmentUnfit(f"{what}: {text or 'it failed without a word'}")


def places(complaint: str) -> list[str]:
    """What Helm's check by the chart's schema found, one entry a place, as in ``/image/digest: does not match ...``."""
    lines = [match[1] for match in re.finditer(r"^ *- (.+)$", complaint, re.MULTILINE)]
    found = [re.sub(r"^at '([^']*)':", r"\1:", line) for line in lines if not line.endswith("validation failed")]
    shown = [f"/{place}" if place.startswith(":") else place for place in found[:MAX_PLACES]]
    return shown + [f"and {len(found) - MAX_PLACES} more"] * (len(found) > MAX_PLACES)


def _last(complaint: str) -> str:
    """The sentence that ends a complaint; what comes before it are warnings and records of a log."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    errors = [at for at, line in enumerate(lines) if line.startswith(("Error: ", "error: "))]
    told = [line for line in (lines[errors[-1] :] if errors else lines[-1:]) if line != _DEBUG_HINT]
    text = re.sub(r"^[Ee]rror: (.*?execution error at \([^)]*\):)?[; ]*", "", "; ".join(told))
    return text.rstrip("?.")[:MAX_COMPLAINT_CHARACTERS]


def _text(stream: IO[bytes], told: str) -> str:
    if stream.seek(0, 2) > MAX_OUTPUT_BYTES:
        raise EnvironmentUnfit(f"{told}: printed more than {MAX_OUTPUT_BYTES >> 20} MiB; is this chart the right one?")
    stream.seek(0)
    return stream.read().decode(errors="replace")
