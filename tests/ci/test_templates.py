"""The scripts of the template and the workflow, run as the CI would: sources fetched by git, then ci/train-by-chart."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEMPLATE, WORKFLOW = ROOT / "ci/gitlab/train.yml", ROOT / ".github/workflows/train.yml"
# In place of the real script: what it was given, and what it must not have been given.
RECORDER = """#!/usr/bin/env bash
printf '%s\\n' "$@" "${TRAIN_AGAIN-}" "${TRAIN_WAIT_S-}" "$(cat "${KUBECONFIG:-/dev/null}")" >"$RECORD"
env | grep -c 'Authorization\\|GIT_CONFIG_COUNT' >>"$RECORD"
exit 66
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> str:
    """A repository with one commit and the tag v1; the commit."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    git(folder, "tag", "v1")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """Two repositories on a server of files, and what every CI job has."""
    repository(tmp_path / "ml/loraruner.git", {"ci/train-by-chart": RECORDER})
    jobs = repository(tmp_path / "ml/jobs", {"jobs/a.json": "{}"})
    (tmp_path / "work").mkdir()
    return os.environ | {"RECORD": str(tmp_path / "record"), "RUNNER_TEMP": str(tmp_path / "temp"), "JOBS": jobs}


def run(script: str, environment: dict[str, str], folder: Path) -> int:
    """As both of them run a script: one bash that stops at the first fault."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, env=environment, cwd=folder, check=False, capture_output=True).returncode


def test_the_gitlab_template(tmp_path: Path, surroundings: dict[str, str]) -> None:
    """The script of LORARUNER_REF gets the job and every file of values, no token, and its code is the job's."""
    job = yaml.safe_load(TEMPLATE.read_text())[".loraruner-train"]
    environment = surroundings | job["variables"]
    environment |= {"CI_SERVER_URL": f"file://{tmp_path}", "CI_JOB_TOKEN": "token-of-the-job", "LORARUNER_REF": "v1"}
    environment |= {"TRAIN_JOB": "jobs/a.json", "TRAIN_VALUES": "a.yaml b.yaml"}
    assert run("\n".join(job["script"]), environment, tmp_path / "work") == 66
    told = (tmp_path / "record").read_text().splitlines()
    assert told == ["jobs/a.json", "a.yaml", "b.yaml", "0", "86000", "", "0"]


def test_the_gitlab_template_needs_a_ref(tmp_path: Path, surroundings: dict[str, str]) -> None:
    """Without LORARUNER_REF nothing is fetched: no branch is trusted by default."""
    job = yaml.safe_load(TEMPLATE.read_text())[".loraruner-train"]
    assert run("\n".join(job["script"]), surroundings | job["variables"], tmp_path / "work") == 2
    assert not list((tmp_path / "work").iterdir())


def steps(environment: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Scripts of the workflow, each with the variables of its step; expressions are replaced by ``environment``."""
    job: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]["train"]
    common = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.https://git.example.com/.extraHeader"}
    assert set(common) == set(job["env"])
    return [
        (step["run"], common | {name: environment.get(f"{number}.{name}", "") for name in step["env"]})
        for number, step in enumerate(job["steps"])
    ]


def test_the_github_workflow(tmp_path: Path, surroundings: dict[str, str]) -> None:
    """The calling commit is checked out, the script gets its files and a kubeconfig that is gone afterwards."""
    given = {"0.SOURCE": f"file://{tmp_path}/ml/jobs", "0.REF": surroundings["JOBS"], "0.TOKEN": "a-token"}
    given |= {"1.SOURCE": f"file://{tmp_path}/ml/loraruner.git", "1.REF": "v1", "1.TOKEN": "a-token"}
    given |= {"2.CONFIG": "clusters: []", "2.MINUTES": "350", "2.JOB": "jobs/a.json", "2.TRAIN_AGAIN": "1"}
    given |= {"2.VALUES_FILES": "a.yaml b.yaml"}
    codes = [run(script, surroundings | variables, tmp_path / "work") for script, variables in steps(given)]
    assert codes == [0, 0, 66]
    assert (tmp_path / "work/jobs/a.json").is_file() and not (tmp_path / "temp/kubeconfig").exists()
    told = (tmp_path / "record").read_text().splitlines()
    assert told == ["jobs/a.json", "a.yaml", "b.yaml", "1", "20700", "clusters: []", "0"]
