"""What is published never changes, and nothing is sent beside it."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from tests.support.artifactory import Artifactory
from tests.support.released import Project
from tests.support.tiny_image import write_image

pytestmark = pytest.mark.slow


def spoil(file: Path) -> str:
    """Change a file that a release made, as if another machine had made it; its digest now."""
    file.write_bytes(file.read_bytes() + b"\n")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def released_wheel_of_others(project: Project, server: Artifactory) -> str:
    """Publish a wheel of the same name with other bytes; its digest."""
    (wheel,) = project.made.glob("*.whl")
    data = wheel.read_bytes() + b"other"
    (server.behind.folder / "pypi-candidate/data" / wheel.name).write_bytes(data)  # type: ignore[attr-defined]
    return hashlib.sha256(data).hexdigest()


def test_another_wheel_is_refused(project: Project, server: Artifactory) -> None:
    """73 names the file and both digests; the log of the server shows that nothing was written anywhere."""
    theirs = released_wheel_of_others(project, server)
    (wheel,) = project.made.glob("*.whl")
    run = project.release()
    assert (run.code, server.writes()) == (73, [])
    ours = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert f"package {wheel.name} is there with sha256:{theirs}, and here it is sha256:{ours}" in run.err


def test_every_conflict_is_named_at_once(project: Project, server: Artifactory) -> None:
    """Two things with other bytes are both in the one refusal, and the server was only asked."""
    released_wheel_of_others(project, server)
    server.put("generic-candidate/loraruner/0.0.1/release.json", b"{}")
    run = project.release()
    assert (run.code, server.writes()) == (73, [])
    assert len(re.findall(r" is there with sha256:", run.err)) == 2


def test_another_chart_is_refused(project: Project, server: Artifactory) -> None:
    """A chart of the same version with another image in it ends with 73, though helm would push it silently."""
    assert project.release().code == 0
    number = len(server.writes())
    run = project.release(RELEASE_IMAGE_ADDRESS="registry.example.com/elsewhere/loraruner")
    assert run.code == 73 and "helm-candidate/loraruner:0.0.1 is there with sha256:" in run.err
    assert server.writes()[number:] == []


def test_a_build_of_others_is_refused(project: Project, server: Artifactory) -> None:
    """A build of the same name and number that made other things is not overwritten."""
    module = {"id": "x", "type": "generic", "artifacts": [{"name": "x", "sha256": "0" * 64}]}
    server.builds["loraruner/0.0.1"] = {"modules": [module]}
    run = project.release()
    assert run.code == 73 and "build loraruner/0.0.1 is there and made other bytes of: " in run.err
    assert server.writes() == []
    assert server.builds["loraruner/0.0.1"] == {"modules": [module]}


def test_an_image_from_another_commit_is_refused(project: Project, server: Artifactory) -> None:
    """Where ci/image would make the image, one under its tag from another commit ends the release with 73."""
    assert project.release().code == 0
    number = len(server.writes())
    (project.folder / "README.md").write_text("Other.\n")
    project.commit("Another")
    project.git("tag", "--force", "v0.0.1")
    run = project.run(BASE_IMAGE=f"base@sha256:{'0' * 64}")
    assert run.code == 73 and "docker-candidate/loraruner:0.0.1-cpu is there with sha256:" in run.err
    assert server.writes()[number:] == []


def test_a_given_image_from_another_commit_is_refused(project: Project, server: Artifactory) -> None:
    """A ready-made image whose label names another commit, or none, is no part of this release: 65, nothing sent."""
    for revision, said in (("1" * 40, "1" * 40), ("", "no commit that it names")):
        shutil.rmtree(project.image)
        write_image(project.image, "other", revision=revision)
        run = project.release()
        assert run.code == 65 and f"was made from {said}, and this is" in run.err
    assert server.writes() == []


def test_kept_artefacts_are_judged_by_their_digests(project: Project) -> None:
    """A kept file that has changed since is not sent: everything is made anew; what a killed run left goes."""
    spoil(project.made / "release.json")
    left = project.made.parent / ".making-killed"
    left.mkdir()
    run = project.release()
    assert run.code == 0 and "made twice and equal" in run.out
    assert not left.exists()


def test_promotion_refuses_other_bytes(project: Project, server: Artifactory) -> None:
    """A file in the release repository with other bytes ends the promotion with 73, and nothing was promoted."""
    assert project.release().code == 0
    number = len(server.writes())
    server.put("generic-release/loraruner/0.0.1/release.json", b"{}")
    run = project.promote()
    assert (run.code, server.promotions, server.writes()[number:]) == (73, [], [])
    assert "file generic-release/loraruner/0.0.1/release.json is there with" in run.err


def test_promotion_wants_the_candidate_as_it_was(project: Project, server: Artifactory) -> None:
    """A candidate whose record differs from its checksums is not promoted: 74."""
    assert project.release().code == 0
    place = "generic-candidate/loraruner/0.0.1/release.json"
    server.put(place, server.blobs[server.files[place]] + b" ")
    run = project.promote()
    assert (run.code, server.promotions) == (74, []) and "SHA256SUMS says" in run.err


def test_promotion_writes_no_strange_names(project: Project, server: Artifactory) -> None:
    """A candidate whose record, with fitting checksums, names a path instead of a file is refused: 65."""
    assert project.release().code == 0
    place = "generic-candidate/loraruner/0.0.1"
    record = server.blobs[server.files[f"{place}/release.json"]].replace(b'"loraruner-0.0.1.tar.gz"', b'"../escaped"')
    digest = server.put(f"{place}/release.json", record)
    server.put(f"{place}/SHA256SUMS", f"{digest}  release.json\n".encode())
    run = project.promote()
    assert (run.code, server.promotions) == (65, []) and "'../escaped', which is no name of a file" in run.err
    digest = server.put(f"{place}/release.json", b"[]")
    server.put(f"{place}/SHA256SUMS", f"{digest}  release.json\n".encode())
    run = project.promote()
    assert (run.code, server.promotions) == (65, []) and "is no record of a release" in run.err


def test_promotion_of_what_is_not_there(project: Project, server: Artifactory) -> None:
    """A package, an image and a chart that are gone from the candidates are told, each as 66, without a traceback."""
    assert project.release().code == 0
    behind = server.behind.folder  # type: ignore[attr-defined]
    packages = behind / "pypi-candidate/data"
    packages.rename(packages.with_name("away"))
    packages.mkdir()
    run = project.promote()
    assert run.code == 66 and "does not list loraruner-0.0.1-py3-none-any.whl" in run.err
    shutil.rmtree(packages)
    packages.with_name("away").rename(packages)
    for name in ("docker-candidate/loraruner", "helm-candidate/loraruner"):
        (place,) = behind.glob(f"registry/data/docker/registry/v2/repositories/{name}")
        place.rename(place.with_name("away"))
        run = project.promote()
        place.with_name("away").rename(place)
        assert run.code == 66 and f"{name}" in run.err, run.err
    assert project.promote().code == 0
