"""``make audit`` fails for a known vulnerability, and never passes in silence where it could not ask."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.osv_server import Osv, osv_service, vulnerability

ROOT = Path(__file__).parents[2]
HASH = "    --hash=sha256:" + "0" * 64
LOCK = f"idna==3.6 \\\n{HASH}\nrich==15.0.0 \\\n{HASH}\n"
HOLE = vulnerability("PYSEC-2024-60", "idna", alias="CVE-2024-3651", fixed="3.7")
ACCEPTED = "PYSEC-2024-60 9999-12-31 nothing here reads names of hosts from strangers\n"


class Audit:
    """The script in a process of its own, on a lock and a list of what is accepted."""

    def __init__(self, folder: Path, url: str) -> None:
        self.lock, self.ignored = folder / "some.lock", folder / "ignored.txt"
        self.environment = {"AUDIT_URL": url}
        self.lock.write_text(LOCK)
        self.ignored.write_text("# none\n")

    def __call__(self, *locks: Path, **environment: str) -> tuple[int, str]:
        command = [sys.executable, str(ROOT / "ci/audit.py"), "--ignored", str(self.ignored)]
        done = subprocess.run(
            [*command, *map(str, locks or [self.lock])],
            env=os.environ | self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def osv() -> Iterator[Osv]:
    with osv_service({("idna", "3.6"): [HOLE]}) as service:
        yield service


@pytest.fixture
def audit(tmp_path: Path, osv: Osv) -> Audit:
    return Audit(tmp_path, osv.url)


def test_a_known_vulnerability_fails(audit: Audit, osv: Osv) -> None:
    """The line has package, version, both names of the hole and where it is mended; every pin was asked about."""
    code, text = audit()
    assert code == 1
    assert "VULNERABLE: idna 3.6: PYSEC-2024-60 (CVE-2024-3651), fixed in 3.7\n" in text
    assert sorted(osv.asked) == [("idna", "3.6"), ("rich", "15.0.0")]


def test_an_unmended_one_says_so(audit: Audit, osv: Osv) -> None:
    """A hole without a mended version is told as that, without what a terminal would obey."""
    osv.known["idna", "3.6"] = [vulnerability("X-\x1b[2J1", "idna", alias="Y", fixed=None)]
    code, text = audit()
    assert code == 1
    assert "idna 3.6: X-?[2J1 (Y), not fixed in any version" in text


def test_nothing_known_passes(audit: Audit, osv: Osv) -> None:
    """Locked versions that the service knows nothing against pass, and are counted."""
    osv.known.clear()
    assert audit() == (0, "make audit: 2 packages audited, 0 known vulnerabilities\n")


@pytest.mark.parametrize(("required", "expected"), [("", 0), ("1", 1)])
def test_no_service_is_told_loudly(audit: Audit, required: str, expected: int) -> None:
    """Where nothing listens the audit says NOT AUDITED; it fails only where it is required."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/query"
        code, text = audit(AUDIT_URL=url, AUDIT_REQUIRED=required)
    assert code == expected
    assert f"NOT AUDITED: {url} gave no usable answer on 2 packages: " in text


def test_a_slip_does_not_mean_no(audit: Audit) -> None:
    """What is neither 0 nor 1 fails before anything is asked."""
    assert audit(AUDIT_REQUIRED="yes") == (1, "make audit: AUDIT_REQUIRED=yes is neither 0 nor 1\n")


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_refusal_is_no_clean_bill(audit: Audit, osv: Osv, status: int) -> None:
    """An error of the service, or of a proxy before it, counts as not audited."""
    osv.status = status
    code, text = audit()
    assert (code, "NOT AUDITED" in text, "0 packages audited" in text) == (0, True, True)


@pytest.mark.parametrize("name", ["PYSEC-2024-60", "CVE-2024-3651"])
def test_what_is_accepted_passes(audit: Audit, name: str) -> None:
    """An entry by either name of the hole lets it pass until its day."""
    audit.ignored.write_text(ACCEPTED.replace("PYSEC-2024-60", name))
    code, text = audit()
    assert (code, "VULNERABLE" in text) == (0, False)


def test_an_expired_entry_fails(audit: Audit) -> None:
    """After its day an entry accepts nothing and is named itself."""
    audit.ignored.write_text(ACCEPTED.replace("9999-12-31", "2024-12-31"))
    code, text = audit()
    assert code == 1
    assert "VULNERABLE: idna 3.6" in text and "PYSEC-2024-60 was accepted until 2024-12-31 only" in text


def test_an_unused_entry_fails(audit: Audit, osv: Osv) -> None:
    """An entry that no locked version needs is named, so that the list can't grow old."""
    audit.ignored.write_text(ACCEPTED)
    osv.known.clear()
    code, text = audit()
    assert (code, "PYSEC-2024-60 is accepted, and nothing has it: remove it" in text) == (1, True)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("PYSEC-2024-60 some day\n", "line 1: 'PYSEC-2024-60 some day' is not an id, a day and a reason"),
        ("PYSEC-2024-60 2099-01-01\n", "is not an id, a day and a reason"),
        ("PYSEC-2024-60 2099-02-30 reason\n", "day"),
    ],
)
def test_a_bad_entry_fails(audit: Audit, osv: Osv, entry: str, message: str) -> None:
    """A line without a reason or with a day that is none stops the audit before it asks anybody."""
    audit.ignored.write_text(entry)
    code, text = audit()
    assert (code, message in text, osv.asked) == (1, True, [])


@pytest.mark.parametrize(
    "lock", ["", "idna==3.6\n", f"idna>=3.6 \\\n{HASH}\n", f"idna==3.6 \\\n{HASH}\nrich @ https://h.test/rich.whl\n"]
)
def test_a_bad_lock_fails(audit: Audit, lock: str) -> None:
    """A lock that is empty, without hashes, open or with an address is a fault, and not one of the network."""
    audit.lock.write_text(lock)
    code, text = audit()
    assert (code, "AUDITED" in text, "make audit: " in text) == (1, False, True)


@pytest.mark.parametrize("service", ["nobody", "pypi"])
def test_a_service_that_is_none(audit: Audit, service: str) -> None:
    """An unknown service, or an address for the one that can have none, is an error."""
    code, text = audit(AUDIT_SERVICE=service)
    assert (code, f"AUDIT_SERVICE={service}" in text) == (1, True)


@pytest.mark.slow
def test_every_lock_is_asked_about(audit: Audit, osv: Osv) -> None:
    """Without arguments the script asks about every pin of every lock of the repository."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci/audit.py")],
        env=os.environ | {"AUDIT_URL": osv.url, "AUDIT_REQUIRED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    locks = [*ROOT.glob("docker/*.lock"), *ROOT.glob("ci/*.lock")]
    assert set(osv.asked) == {
        pin
        for lock in locks
        for pin in re.findall(r"^([a-z0-9._-]+)==([^\s\\]+)", lock.read_text(), flags=re.MULTILINE)
    }
