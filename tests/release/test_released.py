"""A release and its promotion, on the stand-in or, with ``ARTIFACTORY_URL`` set, on a real Artifactory."""

import shutil
import tarfile
from pathlib import Path

import pytest

from tests.support.released import Project
from tests.support.tiny_image import write_image

pytestmark = pytest.mark.slow


def test_release_promotion_and_both_again(anywhere: Project) -> None:
    """All kinds are sent in their order; a second run sends nothing; the same twice holds for the promotion."""
    version = anywhere.version
    first = anywhere.release()
    assert first.code == 0, first.err
    sent = first.lines("sent")
    kinds = list(dict.fromkeys(line.split()[0] for line in sent))
    assert kinds in (
        ["package", "image", "chart", "file", "properties", "build"],
        ["package", "image", "chart", "file", "build"],
    )
    assert [line.rpartition("/")[2] for line in sent if line.startswith("file")][-1] == "SHA256SUMS"
    assert f"{version} is released: {len(sent)} sent" in first.out
    again = anywhere.release()
    assert (again.code, again.lines("sent")) == (0, [])
    assert again.lines("there already") == sent
    assert f"{version} is released already: nothing was sent" in again.out

    promoted = anywhere.promote()
    assert promoted.code == 0, promoted.err
    kinds = list(dict.fromkeys(line.split()[0] for line in promoted.lines("sent")))
    assert kinds == ["package", "image", "chart", "file"]
    again = anywhere.promote()
    assert (again.code, again.lines("sent"), again.lines("there already")) == (0, [], promoted.lines("sent"))
    assert f"{version} is promoted already: nothing was sent" in again.out


def test_a_candidate_and_a_dry_run(anywhere: Project) -> None:
    """Without the tag it is released by ``--candidate`` alone, and promoted only with it; a dry run sends nothing."""
    anywhere.git("tag", "--delete", f"v{anywhere.version}")
    refused = anywhere.release()
    assert refused.code == 65 and f"does not carry the tag v{anywhere.version}" in refused.err
    looked = anywhere.release("--candidate", "--dry-run")
    assert (looked.code, looked.lines("sent")) == (0, []), looked.err
    released = anywhere.release("--candidate")
    assert released.code == 0 and released.lines("sent")[: len(looked.lines("not there yet"))] == looked.lines(
        "not there yet"
    )
    assert anywhere.promote().code == 65
    anywhere.git("tag", f"v{anywhere.version}")
    assert anywhere.promote("--dry-run").lines("sent") == []
    (anywhere.folder / "new").write_text("not committed\n")
    refused = anywhere.release()
    assert refused.code == 65 and "1 files (new)" in refused.err


def test_made_anew_it_is_the_same(anywhere: Project) -> None:
    """Without what an earlier run kept, everything is made again and found published, byte for byte."""
    assert anywhere.release().code == 0
    shutil.rmtree(anywhere.folder / "dist")
    again = anywhere.release()
    assert (again.code, again.lines("sent")) == (0, []), again.err
    assert "made twice and equal" in again.out


def test_images_for_both(anywhere: Project, tmp_path: Path) -> None:
    """With a CUDA image too, both are released and promoted, and the chart names that one."""
    cuda = write_image(tmp_path / "cuda", "cuda", revision=anywhere.git("rev-parse", "HEAD"))
    run = anywhere.release("--image", f"runtime={tmp_path / 'cuda'}")
    assert run.code == 0, run.err
    assert {"cpu", "runtime"} == {line.rpartition("-")[2] for line in run.lines("sent") if line.startswith("image")}
    names = {line.rpartition("/")[2] for line in run.lines("sent") if line.startswith("file")}
    assert {
        "requirements-cpu.lock",
        "requirements-runtime.lock",
        f"loraruner-{anywhere.version}-runtime.sbom.json",
    } < names
    with tarfile.open(next(anywhere.made.glob("loraruner-*.tgz"))) as chart:
        values = chart.extractfile("loraruner/values.yaml")
        assert values is not None and f'digest: "{cuda}"' in values.read().decode()
    promoted = anywhere.promote()
    assert promoted.code == 0, promoted.err
    assert sum(line.startswith("image") for line in promoted.lines("sent")) == 2


def test_another_image_is_refused(anywhere: Project) -> None:
    """A tag that names another digest ends with 73, both digests told."""
    assert anywhere.release().code == 0
    shutil.rmtree(anywhere.image)
    ours = write_image(anywhere.image, "other", revision=anywhere.git("rev-parse", "HEAD"))
    refused = anywhere.release()
    assert (refused.code, refused.lines("sent")) == (73, [])
    assert f":{anywhere.version}-cpu is there with sha256:" in refused.err and f"here it is {ours}" in refused.err


def test_a_wrong_password_is_77(anywhere: Project) -> None:
    """A server that refuses the account ends the release with 77 before anything is sent."""
    refused = anywhere.release(RELEASE_TOKEN="wrong", RELEASE_TOKEN_FILE="unset")
    assert (refused.code, refused.lines("sent")) == (77, [])
