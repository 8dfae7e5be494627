"""``make audit``: ask a vulnerability service about every locked version (pip-audit; nothing is resolved or installed).

    AUDIT_SERVICE   osv (the default) or pypi
    AUDIT_URL       an OSV API other than https://api.osv.dev/v1/query, such as a mirror's
    AUDIT_REQUIRED  1: fail where anything could not be audited (for a release)

A known vulnerability fails, unless ci/audit-ignored.txt accepts it until a day that is still to come. A service that
does not answer does not fail, so that closed networks can run ``make check``; it is told in capitals. ci/torch.txt is
not asked about: it has the version of docker/torch-cpu.lock, which tests/house/test_locks.py checks.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
IGNORED = ROOT / "ci/audit-ignored.txt"
# docker/cuda.lock holds every pin of docker/cpu.lock, and torch's of docker/torch-cpu.lock, which tests compare.
LOCKS = tuple(
    ROOT / name for name in ("docker/cuda.lock", "ci/dev.lock", "ci/voice.lock", "ci/speech.lock", "ci/tools.lock")
)
OSV_URL = "https://api.osv.dev/v1/query"
TIMEOUT_S = 15
MAX_REASON_CHARS = 300
NAMES_SHOWN = 8


class Finding(NamedTuple):
    """A known vulnerability of a locked version."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        aliases = f" ({', '.join(self.ids[1:])})" if self.ids[1:] else ""
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "not fixed in any version"
        return printable(f"{self.package} {self.version}: {self.ids[0]}{aliases}, {fixed}")


class Ignored(NamedTuple):
    """A vulnerability that is accepted up to and with a day."""

    id: str
    until: date
    reason: str


class Answer(NamedTuple):
    """What a service knows, and what it was not or could not be asked."""

    findings: list[Finding]
    unaudited: list[str]
    audited: int


class LockUnreadable(Exception):
    """pip-audit can't read a lock, or can't run at all."""


def main() -> None:
    """Audit the locks; exits 1 with every reason why they do not pass."""
    parser = argparse.ArgumentParser(description="Audit the lock files against known vulnerabilities.")
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS, metavar="LOCK")
    parser.add_argument("--ignored", type=Path, default=IGNORED, help="what is accepted: lines of id, day, reason")
    arguments = parser.parse_args()
    try:
        required = is_required(os.environ.get("AUDIT_REQUIRED", ""))
        ignored = read_ignored(arguments.ignored)
        answer = ask(list(arguments.locks), os.environ)
    except (LockUnreadable, ValueError) as error:
        sys.exit(f"make audit: {error}")
    faults = judge(answer, ignored, datetime.now(UTC).date())
    for line in answer.unaudited:
        print(f"NOT AUDITED: {line}", file=sys.stderr)
    if answer.unaudited and required:
        faults.append("AUDIT_REQUIRED=1, and not everything was audited")
    for fault in faults:
        print(f"make audit: {fault}", file=sys.stderr)
    print(f"make audit: {answer.audited} packages audited, {len(answer.findings)} known vulnerabilities")
    sys.exit(bool(faults))


def is_required(value: str) -> bool:
    """Whether everything has to be audited; ValueError for what is neither yes nor no: a slip must not mean no."""
    if value not in ("", "0", "1"):
        raise ValueError(f"AUDIT_REQUIRED={value} is neither 0 nor 1")
    return value == "1"


def judge(answer: Answer, ignored: list[Ignored], today: date) -> list[str]:
    """Why the locks do not pass: what is not accepted, and what is accepted without need."""
    accepted = {entry.id for entry in ignored if entry.until >= today}
    faults = [f"VULNERABLE: {finding}" for finding in answer.findings if not accepted & set(finding.ids)]
    faults += [f"{entry.id} was accepted until {entry.until} only" for entry in ignored if entry.until < today]
    if not answer.unaudited:
        known = {name for finding in answer.findings for name in finding.ids}
        faults += [
            f"{entry.id} is accepted, and nothing has it: remove it" for entry in ignored if entry.id not in known
        ]
    return faults


def read_ignored(path: Path) -> list[Ignored]:
    """The entries of a file of lines ``ID YYYY-MM-DD REASON``; ValueError for any other line."""
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            match = re.fullmatch(r"(\S+) (\d{4}-\d\d-\d\d) (\S.*)", line)
            if match is None:
                raise ValueError(f"{path.name}, line {number}: {line!r} is not an id, a day and a reason")
            entries.append(Ignored(match[1], date.fromisoformat(match[2]), match[3]))
    return entries


def ask(locks: list[Path], environment: Mapping[str, str]) -> Answer:
    """What the service that ``environment`` names knows of the pins in ``locks``; LockUnreadable."""
    wanted = {name for lock in locks for name in pins(lock)}
    options, service = chosen(environment)
    report, complaint = pip_audit(locks, options)
    if report is None:
        # The same without a service tells a fault of the locks from one of the network.
        if pip_audit(locks, ["--dry-run"])[0] is None:
            raise LockUnreadable(complaint)
        return Answer([], [f"{service} gave no usable answer on {len(wanted)} packages: {complaint}"], 0)
    asked = [each for each in report["dependencies"] if "version" in each]
    skipped = [each["name"] for each in report["dependencies"] if each not in asked]
    missing = wanted - {normal(each["name"]) for each in report["dependencies"]}
    return Answer(
        [finding for each in asked for finding in findings(each)],
        [f"{service} knows nothing of {listed(skipped)}"] * bool(skipped)
        + [f"pip-audit left out {listed(sorted(missing))}"] * bool(missing),
        len(asked),
    )


def listed(names: list[str]) -> str:
    """How many packages, and the first of them."""
    return printable(f"{len(names)} packages: {', '.join(names[:NAMES_SHOWN])}{', ...' * (len(names) > NAMES_SHOWN)}")


def chosen(environment: Mapping[str, str]) -> tuple[list[str], str]:
    """Options of pip-audit for the service asked for, and its name for people; ValueError for one that is not there."""
    service, url = environment.get("AUDIT_SERVICE") or "osv", environment.get("AUDIT_URL") or ""
    if service == "osv":
        return ["--vulnerability-service", "osv", "--osv-url", url or OSV_URL], url or OSV_URL
    if service == "pypi" and not url:
        return ["--vulnerability-service", "pypi"], "https://pypi.org"
    raise ValueError(f"AUDIT_SERVICE={service} AUDIT_URL={url}: give osv with or without an address, or pypi without")


def pip_audit(locks: list[Path], options: list[str]) -> tuple[Any, str]:
    """Its report, or None and the last line that it complained with."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
        command += ["--format", "json", "--output", str(output), "--cache-dir", f"{folder}/cache"]
        command += ["--timeout", str(TIMEOUT_S), *options, *(f"--requirement={lock}" for lock in locks)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        complaint = ([line for line in done.stderr.splitlines() if line.strip()] or ["no word"])[-1]
        if done.returncode not in (0, 1) or not output.is_file():
            return None, printable(complaint[:MAX_REASON_CHARS])
        return json.loads(output.read_text(encoding="utf-8")), ""


def findings(dependency: Mapping[str, Any]) -> list[Finding]:
    """The vulnerabilities of one entry of pip-audit's report."""
    return [
        Finding(
            dependency["name"],
            dependency["version"],
            (each["id"], *each["aliases"]),
            tuple(map(str, each["fix_versions"])),
        )
        for each in dependency["vulns"]
    ]


def pins(lock: Path) -> list[str]:
    """Normalised names of the packages in a lock; LockUnreadable for a file that holds none."""
    try:
        names = re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    except OSError as error:
        raise LockUnreadable(f"{lock}: {error.strerror}") from error
    if not names:
        raise LockUnreadable(f"{lock}: no package is pinned in it")
    return [normal(name) for name in names]


def normal(name: str) -> str:
    """The name as package indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def printable(text: str) -> str:
    """Text of a service without what a terminal would obey."""
    return re.sub(r"[^\x20-\x7e]", "?", text)


if __name__ == "__main__":
    main()
