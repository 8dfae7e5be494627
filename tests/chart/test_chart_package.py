"""The chart as a package: the same bytes from any checkout, through a real registry, by its digest."""

import hashlib
import os
import re
import runpy
import shutil
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.helm import CHART, MINIMAL, helm, told
from tests.support.oci_registry import registry
from tests.support.tools import HELM

pytestmark = pytest.mark.slow
EPOCH = 1_700_000_000
package: Callable[[Path, Path, int], Path] = runpy.run_path(str(CHART.parents[1] / "ci/chart_package.py"))["package"]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HELM", str(HELM))
    return package(CHART, tmp_path / "packed", EPOCH)


def test_two_checkouts_one_package(tmp_path: Path, archive: Path) -> None:
    """Other times, modes and strays of a checkout change no byte; another time or another file does."""
    other = tmp_path / "other" / "loraruner"
    shutil.copytree(CHART, other)
    for number, path in enumerate(sorted(other.rglob("*"))):
        os.utime(path, (10**9 + number, 10**9 + number))
        path.chmod(0o755 if path.is_dir() else 0o600)
    (other / "__pycache__").mkdir()
    (other / "__pycache__/x.pyc").write_bytes(b"x")
    (other / "values.yaml.orig").write_text("stray")
    assert sha256(package(other, tmp_path / "again", EPOCH)) == sha256(archive)
    assert sha256(package(other, tmp_path / "later", EPOCH + 1)) != sha256(archive)
    (other / "values.yaml").write_text((other / "values.yaml").read_text() + "# more\n")
    assert sha256(package(other, tmp_path / "changed", EPOCH)) != sha256(archive)


def test_the_package_holds_the_chart_alone(archive: Path) -> None:
    """What a user needs is in it; code, sets of values for checks and the machine's names are not."""
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
    names = {member.name.removeprefix("loraruner/") for member in members}
    assert {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", "rbac/runner.yaml"} <= names
    assert not [name for name in names if name.endswith(".py") or name.startswith("ci/")]
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", EPOCH)}


def test_no_chart_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a chart is refused in Helm's words, and a machine without Helm is told how to get it."""
    monkeypatch.setenv("HELM", str(HELM))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"helm package refuses it: .*Chart\.yaml"):
        package(tmp_path / "empty", tmp_path / "out", EPOCH)
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.setenv("HELM", str(tmp_path / "helm"))
    with pytest.raises(FileNotFoundError, match="run make setup-tools"):
        package(CHART, tmp_path / "out", EPOCH)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with registry(tmp_path / "registry", port) as address:
        yield address


def test_through_a_registry(tmp_path: Path, archive: Path, host: str) -> None:
    """Pushed and pulled it is the same bytes; by its digest it renders and installs as from the folder."""
    home, pulled = tmp_path / "home", tmp_path / "pulled"
    pulled.mkdir()
    done = helm("push", archive, f"oci://{host}/charts", "--plain-http", home=home)
    assert done.returncode == 0, done.stderr
    found = re.search(r"Digest: (sha256:[0-9a-f]{64})", done.stdout + done.stderr)
    assert found is not None, done.stdout + done.stderr
    reference = f"oci://{host}/charts/loraruner@{found[1]}"
    told("pull", reference, "--plain-http", "--destination", pulled, home=home)
    assert [path.read_bytes() for path in pulled.iterdir()] == [archive.read_bytes()]

    options = ("--namespace", "ml", "--values", MINIMAL)
    from_folder = told("template", "rel", CHART, *options)
    assert told("template", "rel", reference, "--plain-http", *options, home=home).endswith(from_folder)
    planned = told("install", "rel", reference, "--plain-http", "--dry-run=client", *options, home=home)
    assert "STATUS: pending-install" in planned and "kind: Job" in planned and "NOTES:" in planned
    wrong = helm(
        "template", "rel", reference[:-1] + ("0" if reference[-1] != "0" else "1"), "--plain-http", *options, home=home
    )
    assert wrong.returncode != 0 and wrong.stdout == ""
