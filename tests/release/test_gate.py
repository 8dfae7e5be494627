"""What is refused before anything is made or asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from ci.releasing import settings, tree
from ci.releasing.__main__ import images
from ci.releasing.settings import targets
from loraruner.errors import DataInvalid, SpecInvalid
from tests.release import conftest
from tests.support.released import GIT

WHOLE = conftest.settings("http://127.0.0.1:8081/artifactory")
NEEDED = sorted(
    name for name in WHOLE if name.startswith(("ARTIFACTORY_", "RELEASE_")) and name != "RELEASE_IMAGE_ADDRESS"
)


def faults(**changed: str) -> str:
    """What is wrong with settings that differ in this from whole ones."""
    with pytest.raises(SpecInvalid) as error:
        settings.read({**WHOLE, **changed}, promotes=True)
    return str(error.value)


def test_everything_missing_is_named_at_once() -> None:
    """Without any variable, each that is needed is named with what to set it to."""
    with pytest.raises(SpecInvalid) as error:
        settings.read({}, base_needed=True)
    lines = str(error.value).splitlines()[1:]
    assert sorted(line.split()[0] for line in lines) == sorted([*NEEDED, "BASE_IMAGE"])
    assert all(" is not set: give " in line for line in lines)


def test_whole_settings() -> None:
    """The addresses of a whole set, and an index beside the address for uploads."""
    found = settings.read(WHOLE, promotes=True)
    assert found.candidate.index == "http://127.0.0.1:8081/artifactory/api/pypi/pypi-candidate/simple"
    assert (str(found.candidate.images), found.candidate.images.is_plain) == (
        "127.0.0.1:8081/docker-candidate/loraruner",
        True,
    )
    assert found.promoted is not None and found.promoted.generic == "generic-release"
    assert conftest.TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ARTIFACTORY_URL", "http://artifacts.example.com/artifactory", "would carry the token unencrypted"),
        ("ARTIFACTORY_URL", "https://me:secret@artifacts.example.com", "ARTIFACTORY_URL holds credentials"),
        ("RELEASE_PYPI_URL", "artifacts.example.com", "is no address"),
        ("RELEASE_OCI_REPOSITORY", "registry.example.com", "is no place in a registry"),
        ("RELEASE_OCI_REPOSITORY", "registry.example.com/loras:1.0", "is no place in a registry"),
        ("RELEASE_CHART_REPOSITORY", "http://registry.example.com/charts", "would carry the token unencrypted"),
        ("RELEASE_CHART_REPOSITORY", "oci://u:p@registry.example.com/charts", "is no place in a registry"),
        ("PROMOTE_GENERIC_REPOSITORY", "../etc", "is no key of a repository"),
        ("RELEASE_TOKEN_FILE", "/nowhere/token", "are both set"),
    ],
)
def test_unfit_values_are_refused(name: str, value: str, said: str) -> None:
    """A value that would leak the token or that means no place is named."""
    text = faults(**{name: value})
    assert said in text and name in text


def test_the_token_may_lie_in_a_file(tmp_path: Path) -> None:
    """``RELEASE_TOKEN_FILE`` gives the token without the newline at its end; an empty or missing one is named."""
    (tmp_path / "token").write_text("abc\n")
    (tmp_path / "empty").write_text("\n")
    chosen = {**WHOLE, "RELEASE_TOKEN": ""}
    assert settings.read({**chosen, "RELEASE_TOKEN_FILE": str(tmp_path / "token")}).account.token == "abc"
    assert "is empty" in faults(RELEASE_TOKEN="", RELEASE_TOKEN_FILE=str(tmp_path / "empty"))
    assert "can't be read" in faults(RELEASE_TOKEN="", RELEASE_TOKEN_FILE=str(tmp_path / "none"))


@pytest.mark.parametrize("base", ["debian:12", "debian@sha256:12", "debian:12@sha256:"])
def test_a_base_without_digest_is_refused(base: str) -> None:
    """BASE_IMAGE has to carry a whole digest; with one it passes."""
    with pytest.raises(SpecInvalid, match=f"BASE_IMAGE={base} has no digest"):
        settings.read({**WHOLE, "BASE_IMAGE": base}, base_needed=True)
    settings.read({**WHOLE, "BASE_IMAGE": f"debian:12@sha256:{'a' * 64}"}, base_needed=True)


def test_targets() -> None:
    """cpu by default; those asked for and those given, in one order; an unknown one is refused."""
    assert targets({}, {}) == ["cpu"]
    assert targets({"RELEASE_TARGETS": "runtime cpu"}, {}) == ["cpu", "runtime"]
    assert targets({}, {"runtime": "x.tar"}) == ["runtime"]
    with pytest.raises(SpecInvalid, match="'gpu' is no target"):
        targets({"RELEASE_TARGETS": "gpu"}, {})
    assert images(["cpu=docker://h/n@sha256:1=2"]) == {"cpu": "docker://h/n@sha256:1=2"}
    with pytest.raises(SpecInvalid, match="give TARGET=IMAGE"):
        images(["image.tar"])


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one file, committed and tagged as 1.2.3."""
    for name, value in GIT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "runner/loraruner").mkdir(parents=True)
    (tmp_path / "runner/loraruner/__init__.py").write_text('"""Doc."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o700)
    tree.git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path)
    tree.git(tmp_path, "tag", "v1.2.3")
    return tmp_path


def commit(folder: Path) -> None:
    tree.git(folder, "add", "--all")
    tree.git(folder, "commit", "--quiet", "--message", "A message")


def test_a_clean_tagged_tree_passes(checkout: Path) -> None:
    """Version, time and words of the commit are read, and a remote without its credentials."""
    tree.git(checkout, "remote", "add", "origin", "https://me:secret@git.example.com/loraruner.git")
    found = tree.read(checkout)
    tree.require_clean(found)
    tree.require_tag(found)
    assert (found.version, found.epoch_s, found.branch, found.message) == ("1.2.3", 1700000000, "main", "A message")
    assert found.remote == "https://git.example.com/loraruner.git"


def test_a_dirty_tree_is_refused(checkout: Path) -> None:
    """A changed and an unknown file are both named."""
    (checkout / "tool").write_text("other\n")
    (checkout / "new").write_text("new\n")
    with pytest.raises(DataInvalid, match=r"2 files \(tool, new\): commit or remove them"):
        tree.require_clean(tree.read(checkout))


def test_an_untagged_head_is_refused(checkout: Path) -> None:
    """A commit after the tag, or one with the tag of another version, is no release."""
    (checkout / "new").write_text("new\n")
    commit(checkout)
    with pytest.raises(DataInvalid, match=r"does not carry the tag v1\.2\.3: tag it"):
        tree.require_tag(tree.read(checkout))
    tree.git(checkout, "tag", "v1.2.4")
    with pytest.raises(DataInvalid, match=r"tag v1\.2\.3, only v1\.2\.4"):
        tree.require_tag(tree.read(checkout))


@pytest.mark.parametrize("line", ['__version__ = "1.2"', '__version__ = "1.2.3rc1"', "version = 1"])
def test_other_versions_are_refused(checkout: Path, line: str) -> None:
    """Only X.Y.Z, which package index, registry and chart all understand, can be released."""
    (checkout / "runner/loraruner/__init__.py").write_text(f"{line}\n")
    with pytest.raises(DataInvalid, match=r'no line __version__ = "X\.Y\.Z"'):
        tree.read(checkout)


def test_exports_differ_in_nothing_but_their_age(checkout: Path, tmp_path: Path) -> None:
    """Files have the commit's bytes, plain modes, and times that lie as far apart as asked."""
    found = tree.read(checkout)
    first, second = (tree.export(found, tmp_path / f"copy-{age}", later_s=age) / "tool" for age in (0, 100))
    assert first.read_bytes() == second.read_bytes()
    assert [path.stat().st_mode & 0o777 for path in (first, second)] == [0o755, 0o755]
    assert second.stat().st_mtime - first.stat().st_mtime == 100


def test_links_are_not_released(checkout: Path, tmp_path: Path) -> None:
    """A symbolic link, which an archive of the sources could lead anywhere, ends the export."""
    (checkout / "link").symlink_to("/etc/passwd")
    commit(checkout)
    with pytest.raises(DataInvalid, match="link is neither a file nor a folder"):
        tree.export(tree.read(checkout), tmp_path / "copy", later_s=0)


@pytest.mark.parametrize("options", [["--candidate"], ["promote"]])
def test_missing_settings_end_with_64(options: list[str]) -> None:
    """The command itself names what is missing, without a traceback, before it looks at the tree."""
    command = [str(conftest.ROOT / "ci/release"), *options]
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 64 and done.stderr.startswith("error 64 SPEC_INVALID: nothing was begun:")
    assert all(name in done.stderr for name in NEEDED)
