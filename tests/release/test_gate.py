"""What is refused before anything is made or asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from ci.releasing import settings, tree
from ci.releasing.__main__ import images
from ci.releasing.settings import targets
from loraruner.errors import DataInvalid, SpecInvalid, TemporaryFailure
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
        ("RELEASE_CHART_REPOSITORY", "oci://me:secret@registry.example.com/charts", "holds credentials"),
        ("RELEASE_PYPI_URL", "ftp://me:secret@artifacts.example.com/x", "holds credentials"),
        ("ARTIFACTORY_URL", "https://[::1", "is no address"),
        ("ARTIFACTORY_URL", "https://artifacts.example.com:port/artifactory", "is no address"),
        ("ARTIFACTORY_URL", "https://artifacts.example.com/artifactory?x=1", "is no address"),
        ("RELEASE_IMAGE_ADDRESS", 'registry.example.com/x"\\n  evil: "', "is no name"),
        ("RELEASE_BUILD_NAME", "team;x=1/loras", "is no name"),
        ("RELEASE_USER", "me:too", "holds a colon"),
        ("RELEASE_TOKEN", "a\nb", "holds a control character"),
        ("PROMOTE_GENERIC_REPOSITORY", "../etc", "is no key of a repository"),
        ("RELEASE_TOKEN_FILE", "/nowhere/token", "are both set"),
    ],
)
def test_unfit_values_are_refused(name: str, value: str, said: str) -> None:
    """A value that would leak the token or that means no place is named."""
    text = faults(**{name: value})
    assert said in text and name in text
    assert "secret" not in text


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


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "deep/../../outside"])
def test_links_out_of_the_tree_are_not_released(checkout: Path, tmp_path: Path, target: str) -> None:
    """A symbolic link that an archive of the sources could follow anywhere ends the export."""
    (checkout / "link").symlink_to(target)
    commit(checkout)
    with pytest.raises(DataInvalid, match="link is no file, no folder and no link to one of the tree"):
        tree.export(tree.read(checkout), tmp_path / "copy", later_s=0)


def test_links_within_the_tree_stay_links(checkout: Path, tmp_path: Path) -> None:
    """A link to a file of the tree is one in the copy too."""
    (checkout / "runner/link").symlink_to("../tool")
    commit(checkout)
    copy = tree.export(tree.read(checkout), tmp_path / "copy", later_s=0)
    assert (copy / "runner/link").readlink() == Path("../tool")


@pytest.mark.parametrize("attribute", ["export-ignore", "ident"])
def test_a_copy_that_git_changes_is_refused(checkout: Path, tmp_path: Path, attribute: str) -> None:
    """Attributes of this machine alone, which no status shows, leave out no file and change none."""
    (checkout / "tool").write_text("# $Id$\n")
    commit(checkout)
    (checkout / ".git/info").mkdir(exist_ok=True)
    (checkout / ".git/info/attributes").write_text(f"tool {attribute}\n")
    with pytest.raises(DataInvalid, match="git archive changes tool or leaves it out"):
        tree.export(tree.read(checkout), tmp_path / "copy", later_s=0)


def test_submodules_are_not_released(checkout: Path, tmp_path: Path) -> None:
    """A submodule, of which git archive makes an empty folder, ends the export."""
    (checkout / "sub").mkdir()
    tree.git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    tree.git(checkout, "commit", "--quiet", "--message", "A submodule")
    with pytest.raises(DataInvalid, match="sub is a submodule"):
        tree.export(tree.read(checkout), tmp_path / "copy", later_s=0)


@pytest.mark.parametrize("hidden", ["--skip-worktree", "--assume-unchanged"])
def test_files_hidden_from_git_are_refused(checkout: Path, hidden: str) -> None:
    """A changed file that git was told not to look at is named."""
    tree.git(checkout, "update-index", hidden, "tool")
    (checkout / "tool").write_text("other\n")
    assert tree.git(checkout, "status", "--porcelain") == ""
    with pytest.raises(DataInvalid, match=r"1 files \(tool\)"):
        tree.require_clean(tree.read(checkout))


def test_unknown_files_are_seen_whatever_is_configured(checkout: Path) -> None:
    """Settings of git that hide unknown files from a status hide none from a release."""
    tree.git(checkout, "config", "status.showUntrackedFiles", "no")
    (checkout / "new").write_text("new\n")
    with pytest.raises(DataInvalid, match=r"1 files \(new\)"):
        tree.require_clean(tree.read(checkout))


def test_a_tag_elsewhere_is_no_candidate(checkout: Path) -> None:
    """Once a version is tagged, annotated or not, no other commit is its candidate."""
    tree.git(checkout, "tag", "--delete", "v1.2.3")
    tree.require_no_other_tag(tree.read(checkout))
    tree.git(checkout, "tag", "--annotate", "--message", "A version", "v1.2.3")
    tree.require_no_other_tag(tree.read(checkout))
    tree.require_tag(tree.read(checkout))
    (checkout / "new").write_text("new\n")
    commit(checkout)
    with pytest.raises(DataInvalid, match="raise the version"):
        tree.require_no_other_tag(tree.read(checkout))


def test_a_commit_alone_has_no_branch(checkout: Path) -> None:
    """As CI checks it out; the build is not told of a branch called HEAD."""
    tree.git(checkout, "checkout", "--quiet", "--detach")
    assert tree.read(checkout).branch == ""


def test_two_releases_of_a_checkout(checkout: Path) -> None:
    """While one is at work another ends with 75; afterwards it may go on."""
    found = tree.read(checkout)
    with tree.alone(found), pytest.raises(TemporaryFailure, match="another release"), tree.alone(found):
        pass
    with tree.alone(found):
        pass


@pytest.mark.parametrize("options", [["--candidate"], ["promote"]])
def test_missing_settings_end_with_64(options: list[str]) -> None:
    """The command itself names what is missing, without a traceback, before it looks at the tree."""
    command = [str(conftest.ROOT / "ci/release"), *options]
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 64 and done.stderr.startswith("error 64 SPEC_INVALID: nothing was begun:")
    assert all(name in done.stderr for name in NEEDED)
