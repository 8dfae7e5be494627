"""The image runs as the documentation says: strict, as any user, stopped and resumed, refused with a sentence."""

import json
import os
from pathlib import Path

import pytest

from loraruner.cli import run
from loraruner.registry import validate_manifest
from tests.support.containers_run import IMAGE_USER, Place, exit_code, podman, told, wait_until
from tests.support.user import assert_refused

pytestmark = pytest.mark.image

STEPS = ("training.max_steps=100", "checkpoint.every_steps=10", "evaluation.every_steps=50", "options.sample_steps=3")
ONE_PROMPT = 'sampling.prompts=["neon style, a red circle"]'
FULL = (*STEPS, "lora.dropout=0.1", ONE_PROMPT)
SHORT = ("training.max_steps=2", "sampling.prompts=[]", 'output.formats=["peft"]')


@pytest.fixture(scope="module")
def trained(image: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The style example, trained without an interruption."""
    place = Place(tmp_path_factory.mktemp("trained"), image)
    done = place.train(*FULL)
    assert done.code == 0, done.err
    assert (done.result["version"], done.result["steps"], done.result["attempts"]) == ("1", 100, 1)
    return place


def test_trains_with_nothing_but_its_mount(trained: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Read-only root, no capability, no network, a numeric user: a version that is verified outside."""
    validate_manifest(json.loads((trained.version / "manifest.json").read_text()))
    assert run(["adapter", "verify", str(trained.version)]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    assert len(trained.tensors()) == 3 and trained.owners() == {IMAGE_USER}
    assert (trained.version / "samples/sheet.png").exists() and (trained.version / "report.html").exists()


def test_stopped_in_the_middle_and_resumed(trained: Place, image: str, tmp_path: Path) -> None:
    """``podman stop`` ends with 85, not 137; the same command publishes the tensors of the run that was not stopped."""
    place = Place(tmp_path, image)
    with place.started(*FULL) as name:
        wait_until(lambda: "e0001-step-000020" in place.checkpoints(), "a checkpoint of step 20")
        told("stop", "--time", "60", name)
        assert exit_code(name) == 85
    status = json.loads(next(place.output.glob("runs/*/status.json")).read_text())
    assert (status["state"], status["exit_code"]) == ("preempted", 85) and 20 <= status["step"] < 100
    assert not place.version.exists()
    done = place.train(*FULL)
    assert done.code == 0, done.err
    assert (done.result["attempts"], done.result["steps"]) == (2, 100)
    assert place.tensors() == trained.tensors()


def test_plain_command_on_the_callers_folder(image: str, tmp_path: Path) -> None:
    """``podman run -v $PWD:/workspace IMAGE train job.json`` is enough where the image's user may write."""
    place = Place(tmp_path, image)
    shorter(place)
    done = podman("run", "--rm", "-v", f"{place.folder}:/workspace", image, "train", "job.json")
    assert done.code == 0, done.err
    assert done.result["uri"] == "out/loras/neon-style/versions/1/" and place.version.is_dir()


@pytest.mark.parametrize(
    ("owner", "user"),
    [((54321, 65432), "54321:65432"), ((10001, 0), "1000650000:0")],
    ids=["of the caller", "of OpenShift"],
)
def test_any_user_without_an_entry_in_passwd(image: str, tmp_path: Path, owner: tuple[int, int], user: str) -> None:
    """With ``--user UID:GID`` (a caller's own; OpenShift's arbitrary one in group 0) what is written belongs to it."""
    place = Place(tmp_path, image, owner)
    done = place.train(*SHORT, user=user)
    assert done.code == 0, done.err
    written = [path for path in (place.folder / "out").rglob("*") if path.is_file()]
    assert len(written) > 5
    assert {f"{path.stat().st_uid}:{path.stat().st_gid}" for path in written} == {user}


@pytest.mark.parametrize("mode", ["", ":ro"], ids=["of another user", "read-only"])
def test_a_mount_that_cannot_be_written(image: str, tmp_path: Path, mode: str) -> None:
    """One sentence that names the folder, and 77: no traceback, nothing left behind; ``doctor`` tells it before."""
    place = Place(tmp_path, image, (0, 0))
    before = sorted(place.folder.rglob("*"))
    done = place.run("train", "job.json", mode=mode)
    assert_refused(done, 77, "NO_PERMISSION", "/workspace")
    unfit = place.run("doctor", mode=mode)
    failed = [each["check"] for each in unfit.result["checks"] if not each["ok"]]
    assert (unfit.code, failed) == (78, ["cache", "workdir"])
    assert sorted(place.folder.rglob("*")) == before


def test_a_wrong_job_ends_with_64(image: str, tmp_path: Path) -> None:
    """The place and the value of the fault, and the exit code of a wrong job, come out of the container."""
    done = Place(tmp_path, image).train("lora.rank=0")
    assert (done.code, done.out) == (64, "")
    assert done.err.startswith("$.lora.rank: 0 is less than the minimum 1") and done.last.startswith("error 64 ")


def test_help_without_arguments(image: str) -> None:
    """``podman run IMAGE`` says what it can do."""
    done = podman("run", "--rm", "--read-only", "--network=none", image)
    assert done.code == 0 and "Usage: loraruner" in done.out and "train" in done.out


def test_too_little_memory(image: str, tmp_path: Path) -> None:
    """Below what torch alone needs the kernel ends it: 137, no version. With more, the same command waits until the
    lease of the lost attempt is over, and publishes."""
    place = Place(tmp_path, image)
    lease = ("--env", "LORARUNER_LEASE_S=2")
    done = place.train(*SHORT, options=(*lease, "--memory", "64m", "--memory-swap", "64m"))
    assert done.code == 137, done.err
    assert not place.version.exists()
    again = place.train(*SHORT, options=(*lease, "--memory", "2g", "--memory-swap", "2g"))
    assert again.code == 0, again.err
    assert place.version.is_dir()


def test_doctor_inside(image: str, tmp_path: Path) -> None:
    """Every check of ``loraruner doctor`` but that of the free disk passes; cache and workspace lie in the mount."""
    place = Place(tmp_path, image)
    done = place.run("doctor")
    checks = {each["check"]: each for each in done.result["checks"]}
    assert "/workspace" in checks["cache"]["detail"] and "/workspace" in checks["workdir"]["detail"]
    assert [name for name in checks if not checks[name]["ok"] and name not in ("cache", "workdir")] == []


def test_validate_starts_without_torch(image: str, tmp_path: Path) -> None:
    """``validate`` loads neither torch nor boto3 inside, and compiles nothing: every module has its bytecode."""
    place = Place(tmp_path, image)
    python = ("--rm", "--entrypoint", "/opt/venv/bin/python")
    arguments = ("-v", "-X", "importtime", "-m", "loraruner", "validate", "job.json")
    done = podman(*place.command(*arguments, options=python))
    assert done.code == 0, done.err[-2000:]
    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    assert "loraruner.spec" in loaded and not {"torch", "boto3"} & loaded
    assert [line for line in done.err.splitlines() if "code object from '" in line and ".pyc" not in line] == []


def shorter(place: Place) -> None:
    """Write the settings of SHORT into the job itself."""
    path = place.folder / "job.json"
    job = json.loads(path.read_text())
    job["training"]["max_steps"], job["output"]["formats"] = 2, ["peft"]
    job["evaluation"]["every_steps"] = 2
    del job["sampling"]
    path.write_text(json.dumps(job))
    os.chown(path, *place.owner)
