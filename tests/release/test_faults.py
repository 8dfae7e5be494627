"""Servers that refuse, falter or garble, and releases that were interrupted."""

import base64
import shutil
import signal
import stat
from pathlib import Path

import pytest

from tests.release.conftest import TOKEN, USER
from tests.support.artifactory import Artifactory, Fault
from tests.support.artifactory_front import Behind
from tests.support.released import Project

pytestmark = pytest.mark.slow

PLACES = [
    "POST /artifactory/api/pypi/",
    "PUT /v2/docker",
    "PUT /v2/helm",
    "PUT /artifactory/generic",
    "PUT /artifactory/api/build",
]


@pytest.mark.parametrize(("place", "status"), list(zip(PLACES, (429, 503, 429, 503, 502), strict=True)))
def test_a_busy_server_is_asked_again(project: Project, server: Artifactory, place: str, status: int) -> None:
    """One answer that asks to wait, at any of the servers, does not end the release."""
    server.faults = [Fault(place, status)]
    run = project.release()
    assert run.code == 0, run.err
    assert [seen.status for seen in server.log].count(status) == 1


@pytest.mark.parametrize(("place", "status"), list(zip(PLACES, (403, 401, 403, 401, 403), strict=True)))
def test_a_refusal_is_told_and_the_rest_comes_later(
    project: Project, server: Artifactory, place: str, status: int
) -> None:
    """Refused in the middle it ends with 77; the next run sends just what is missing, and nothing twice."""
    server.faults = [Fault(place, status, times=99)]
    first = project.release()
    assert first.code == 77, first.err
    server.faults.clear()
    second = project.release()
    assert second.code == 0, second.err
    assert second.lines("there already")[: len(first.lines("sent"))] == first.lines("sent")
    assert not set(first.lines("sent")) & set(second.lines("sent"))
    assert server.builds["loraruner/0.0.1"]["number"] == "0.0.1"


@pytest.mark.parametrize("place", PLACES)
def test_a_lost_answer_does_no_harm(project: Project, server: Artifactory, place: str) -> None:
    """Something that arrived and was answered with 503 is found there, or sent again unchanged."""
    server.faults = [Fault(place, 503, late=True)]
    run = project.release()
    assert run.code == 0, run.err
    assert project.release().lines("sent") == []


def test_garbled_bytes_are_74(project: Project, server: Artifactory) -> None:
    """A file that arrives changed twice is refused by the server, told as 74, and not there."""
    server.spoil = "PUT .*/SHA256SUMS"
    run = project.release()
    assert run.code == 74 and "arrived 2 times with other bytes" in run.err
    assert "generic-candidate/loraruner/0.0.1/SHA256SUMS" not in server.files and server.builds == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_it_goes_on(project: Project, server: Artifactory, tmp_path: Path, number: signal.Signals) -> None:
    """Ended by a signal while the chart is pushed, the next run sends the rest; asked politely, no login is left."""
    temporary, ready = tmp_path / "tmp", f"cpu={project.image}"
    temporary.mkdir()
    with project.started("--image", ready, TMPDIR=str(temporary)) as process:
        server.faults = [Fault("PUT /v2/helm", 503, times=9, hit=lambda: process.send_signal(number))]
        process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    if number == signal.SIGTERM:
        assert list(temporary.iterdir()) == []
    server.faults.clear()
    server.log.clear()
    run = project.release()
    assert run.code == 0, run.err
    assert {line.split()[0] for line in run.lines("sent")} == {"chart", "file", "properties", "build"}
    assert not any("api/pypi" in line for line in server.writes() if line.startswith("POST"))


def test_no_server_is_75(project: Project, server: Artifactory) -> None:
    """A server that only ever answers 503 ends the release with 75, and nothing was sent."""
    server.faults = [Fault("GET /artifactory/api/pypi", 503, times=99)]
    run = project.release()
    assert (run.code, server.writes()) == (75, []) and "answered 503, 5 times" in run.err


def test_a_second_run_only_asks(project: Project, server: Artifactory) -> None:
    """By the log of the server, the second run neither uploads nor sets anything."""
    assert project.release().code == 0
    assert server.writes() != []
    server.log.clear()
    assert project.release().code == 0
    assert server.writes() == [] and server.log != []


def test_known_bytes_are_not_sent(project: Project, server: Artifactory) -> None:
    """A file whose bytes the server has elsewhere is deployed by its digests, without a body."""
    data = (project.made / "requirements-cpu.lock").read_bytes()
    server.put("generic-release/elsewhere", data)
    assert project.release().code == 0
    puts = [each for each in server.log if each.method == "PUT" and "requirements-cpu.lock" in each.path]
    assert [(each.status, each.body_bytes) for each in puts] == [(201, 0)]
    others = [each.status for each in server.log if each.method == "PUT" and "/SHA256SUMS" in each.path]
    assert others == [404, 201]


def test_files_bear_the_properties_of_the_build(project: Project, server: Artifactory) -> None:
    """Packages, image, chart and files carry name, number and time of the build that lists them."""
    assert project.release().code == 0
    revision = project.git("rev-parse", "HEAD")
    expected = {"build.name": "loraruner", "build.number": "0.0.1", "build.timestamp": "1700000000000"}
    found = {
        f"{file['originalDeploymentRepo']}/{file['path']}": file
        for module in server.builds["loraruner/0.0.1"]["modules"]
        for file in module["artifacts"]
    }
    kinds = {place.partition("-")[0] for place in found}
    assert kinds == {"pypi", "docker", "helm", "generic"}
    for place, file in found.items():
        assert server.files[place] == file["sha256"]
        assert server.properties[place] == {
            name: [value] for name, value in {**expected, "vcs.revision": revision}.items()
        }
    build = server.builds["loraruner/0.0.1"]
    assert (build["started"], build["vcs"][0]["revision"]) == ("2023-11-14T22:13:20.000+0000", revision)
    assert "properties" not in build


def test_packages_may_lie_on_another_server(project: Project, server: Artifactory, behind: Behind) -> None:
    """A plain pypiserver takes the packages, which then have no properties; its own refusal is 77."""
    project.environment["RELEASE_PYPI_URL"] = f"http://127.0.0.1:{behind.indexes['pypi-candidate']}"
    refused = project.release(RELEASE_USER="nobody")
    assert refused.code == 77, refused.err
    run = project.release()
    assert run.code == 0, run.err
    assert run.lines("not on this Artifactory, so without properties") == [
        "whl loraruner-0.0.1-py3-none-any.whl",
        "gz loraruner-0.0.1.tar.gz",
    ]
    packages = server.builds["loraruner/0.0.1"]["modules"][0]
    assert all("originalDeploymentRepo" not in file and file["sha256"] for file in packages["artifacts"])
    again = project.release()
    assert (again.code, again.lines("sent")) == (0, [])


def test_the_token_shows_nowhere(project: Project, server: Artifactory, tmp_path: Path) -> None:
    """Neither output nor any command line of skopeo, nor a file left behind, holds the token; a file may give it."""
    (tmp_path / "bin").mkdir()
    seen, shim, token = tmp_path / "seen", tmp_path / "bin/skopeo", tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    real = shutil.which("skopeo")
    shim.write_text(
        f'#!/bin/sh\necho "$@" >> {seen}\nstat -c %a "$REGISTRY_AUTH_FILE" >> {seen} 2>&1\nexec {real} "$@"\n'
    )
    shim.chmod(stat.S_IRWXU)
    (tmp_path / "tmp").mkdir()
    path = f"{shim.parent}:{Path('/usr/bin')}:{Path('/bin')}"
    server.faults = [Fault("PUT /artifactory/generic", 400)]
    chosen = {"RELEASE_TOKEN": "unset", "RELEASE_TOKEN_FILE": str(token), "PATH": path, "TMPDIR": str(tmp_path / "tmp")}
    run = project.release(**chosen)
    assert run.code == 70 and "the server answers 400 injected" in run.err
    text = run.out + run.err + seen.read_text()
    pair = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    assert TOKEN not in text and pair not in text
    assert "600" in seen.read_text().splitlines()
    assert list((tmp_path / "tmp").iterdir()) == []
    kept = [path for path in project.made.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []
