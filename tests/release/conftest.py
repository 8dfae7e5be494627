"""Servers and a repository to release from; with ``ARTIFACTORY_URL`` set, the shared tests use that real server."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # for ci/

from tests.support import released  # noqa: E402
from tests.support.artifactory import Artifactory, artifactory  # noqa: E402
from tests.support.artifactory_front import Behind, servers  # noqa: E402
from tests.support.released import Project  # noqa: E402

USER, TOKEN = "releaser", "a-token-that-must-not-show"
FILES = ("generic-candidate", "generic-release")
INDEXES = ("pypi-candidate", "pypi-release")
REAL = {name: value for name, value in os.environ.items() if name.startswith(released.SETTINGS)}


def settings(url: str) -> dict[str, str]:
    """The variables of a release to the stand-in at ``url``."""
    host = url.removeprefix("http://").partition("/")[0]
    found = {"ARTIFACTORY_URL": url, "RELEASE_USER": USER, "RELEASE_TOKEN": TOKEN}
    for prefix, word in (("RELEASE", "candidate"), ("PROMOTE", "release")):
        found[f"{prefix}_PYPI_URL"] = f"{url}/api/pypi/pypi-{word}"
        found[f"{prefix}_OCI_REPOSITORY"] = f"http://{host}/docker-{word}/loraruner"
        found[f"{prefix}_CHART_REPOSITORY"] = f"http://{host}/helm-{word}"
        found[f"{prefix}_GENERIC_REPOSITORY"] = f"generic-{word}"
    return {**found, "RELEASE_IMAGE_ADDRESS": "registry.example.com/images/loraruner"}


@pytest.fixture(scope="session")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """Real package and image servers that all tests share."""
    with servers(tmp_path_factory.mktemp("servers"), INDEXES, USER, TOKEN) as found:
        yield found


@pytest.fixture
def server(behind: Behind) -> Iterator[Artifactory]:
    """The stand-in, empty."""
    behind.empty()
    with artifactory(FILES, behind, user=USER, token=TOKEN) as found:
        yield found


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, behind: Behind) -> Project:
    """A repository whose artefacts are made; nothing of it is published."""
    project = released.create(tmp_path_factory.mktemp("made"), "0.0.1")
    with artifactory(FILES, behind, user=USER, token=TOKEN) as found:
        run = project.release("--dry-run", **settings(found.url))
    assert run.code == 0, run.err
    return project


@pytest.fixture
def project(made: Project, server: Artifactory, tmp_path: Path) -> Project:
    """A copy of the repository with its artefacts, which releases to ``server``."""
    found = released.copied(made, tmp_path / "project")
    found.environment = settings(server.url)
    return found


@pytest.fixture
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """As ``project``; where ``ARTIFACTORY_URL`` is set, a new version that releases to that server."""
    if "ARTIFACTORY_URL" not in REAL:
        found: Project = request.getfixturevalue("project")
        return found
    found = released.create(tmp_path / "project", f"0.0.{time.time_ns()}")
    found.environment = dict(REAL)
    return found
