"""The pipelines and templates are what GitLab and GitHub read, and call scripts that are there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITLAB = (ROOT / ".gitlab-ci.yml", ROOT / "ci/gitlab/pipeline.yml", ROOT / "ci/gitlab/train.yml")
GITHUB = (ROOT / ".github/workflows/pipeline.yml", ROOT / ".github/workflows/train.yml")
MATRIX = "${{ matrix.script }}"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def gitlab_scripts(path: Path) -> Iterator[str]:
    for job in load(path).values():
        if isinstance(job, dict) and "script" in job:
            yield "\n".join(job["script"])


def github_scripts(path: Path) -> Iterator[str]:
    for job in load(path)["jobs"].values():
        for step in job["steps"]:
            yield from job["strategy"]["matrix"]["script"] if step["run"] == MATRIX else [step["run"]]


def scripts() -> Iterator[str]:
    for path in GITLAB:
        yield from gitlab_scripts(path)
    for path in GITHUB:
        yield from github_scripts(path)


@pytest.mark.parametrize(("schema", "paths"), [("gitlab-ci", GITLAB), ("github-workflows", GITHUB)])
def test_valid_by_their_schemas(schema: str, paths: tuple[Path, ...]) -> None:
    """Every file is valid by the schema that is published for it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_is_found(tmp_path: Path) -> None:
    """The check itself sees a job with a reserved name, and one without steps."""
    (tmp_path / "a.yml").write_text("image: {script: [x], stage: y}\n")
    (tmp_path / "b.yml").write_text("on: push\njobs: {a: {runs-on: x, step: []}}\n")
    for schema, name in (("gitlab-ci", "a.yml"), ("github-workflows", "b.yml")):
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
        assert subprocess.run([*command, str(tmp_path / name)], capture_output=True, check=False).returncode == 1


def test_scripts_are_sound_bash(tmp_path: Path) -> None:
    """Every script of every job passes shellcheck."""
    paths = []
    for number, script in enumerate(scripts()):
        paths.append(tmp_path / f"{number}.sh")
        paths[-1].write_text(f"#!/usr/bin/env bash\n{script}\n")
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([str(shellcheck), *map(str, paths)], capture_output=True, text=True, check=False)
    assert len(paths) >= 10 and done.returncode == 0, done.stdout


def test_no_expression_stands_in_a_script() -> None:
    """On GitHub inputs reach a script by the environment: an expression in it would be run as code."""
    assert [script for path in GITHUB for script in github_scripts(path) if "${{" in script] == []


def test_no_code_of_others_runs() -> None:
    """No step uses an action, and nothing is fetched from a moving name: each ref is given by the caller."""
    for path in GITHUB:
        assert "uses:" not in re.sub(r"(?m)^ *#.*$", "", path.read_text())
    assert load(GITLAB[2])[".loraruner-train"]["variables"]["LORARUNER_REF"] == ""
    assert load(GITHUB[1])[True]["workflow_call"]["inputs"]["loraruner_ref"]["required"]


def test_github_tokens_may_only_read() -> None:
    """Neither workflow asks for more than to read the repository."""
    assert [load(path)["permissions"] for path in GITHUB] == [{"contents": "read"}] * 2


def test_the_scripts_that_are_called_are_there() -> None:
    """Every script below ci/ and every make target that a pipeline calls exists."""
    text = "\n".join(scripts())
    called = set(re.findall(r"(?<![\w/])\.?ci/[\w-]+|(?<=source/)ci/[\w-]+|(?<=loraruner/)ci/[\w-]+", text))
    assert called == {".ci/run", "ci/setup-system", "ci/train-by-chart"}
    assert all((ROOT / name).stat().st_mode & 0o111 for name in called)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", text)) == {"image-test", "release", "promote"} < targets


def test_a_release_needs_a_protected_tag_and_every_check() -> None:
    """Nothing is published from a branch, a request to merge, or a tag that anybody may set."""
    gitlab, github = load(GITLAB[1]), load(GITHUB[0])["jobs"]
    for name in ("release", "promote"):
        (rule,) = gitlab[name]["rules"]
        assert '$CI_COMMIT_REF_PROTECTED == "true"' in rule["if"] and "$CI_COMMIT_TAG =~" in rule["if"]
        assert "github.ref_type == 'tag'" in github[name]["if"] and github[name]["environment"] == name
    assert gitlab["promote"]["rules"][0]["when"] == "manual"
    assert {need["job"] for need in gitlab["release"]["needs"]} == {"check", "image-test"}
    assert github["release"]["needs"] == "check" and github["promote"]["needs"] == "release"


def test_a_release_gets_every_setting() -> None:
    """On GitHub, where variables are not passed on by themselves, a release gets each one that it reads."""
    text = (ROOT / "ci/releasing/settings.py").read_text()
    read = set(re.findall(r'"((?:RELEASE|PROMOTE|BASE|ARTIFACTORY)_[A-Z_]+)"', text))
    for prefix in ("RELEASE", "PROMOTE"):
        read |= {f"{prefix}{name}" for name in re.findall(r'f"\{prefix\}(_[A-Z_]+)"', text)}
    jobs = load(GITHUB[0])["jobs"]
    passed = {name: set(jobs[name]["steps"][-1]["env"]) for name in ("release", "promote")}
    assert passed["promote"] == read and len(read) > 15
    assert passed["release"] == {name for name in read if not name.startswith("PROMOTE")}


def test_every_variable_is_documented() -> None:
    """Each variable of the script and the template, and each input of the workflow, stands in docs/ci.md."""
    text = (ROOT / "docs/ci.md").read_text()
    names = set(re.findall(r"\$\{(TRAIN_\w+|LORARUNER_\w+):-", (ROOT / "ci/train-by-chart").read_text()))
    names |= set(load(GITLAB[2])[".loraruner-train"]["variables"])
    names |= set(load(GITHUB[1])[True]["workflow_call"]["inputs"])
    names |= set(load(GITHUB[1])[True]["workflow_call"]["secrets"])
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_script_tells_its_use() -> None:
    """``--help`` prints what stands at its head, to the last exit code, and nothing of its code."""
    done = subprocess.run([str(ROOT / "ci/train-by-chart"), "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Train from a CI job: ") and done.stdout.endswith("this CI job was stopped.\n")
    assert "TRAIN_RELEASE" in done.stdout and "pipefail" not in done.stdout
