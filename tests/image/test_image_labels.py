"""What the image says of itself is what is in it, and nothing is in it that should not be."""

import hashlib
import json
import re
import runpy
import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pip
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from loraruner import __version__
from tests.support.containers_run import podman, told
from tests.support.dockerfile import ROOT

pytestmark = pytest.mark.image

LAYERS_S = 315_532_800  # 1980-01-01
MEASURED = ("org.opencontainers.image.version", "org.opencontainers.image.revision")
OWN = "com.loraruner."
# Every module of the environment, and whether its bytecode is there, used without a look at the source's date.
BYTECODE = """
import importlib.util, json, pathlib
bare, checked = [], []
for path in pathlib.Path("/opt/venv").rglob("*.py"):
    compiled = pathlib.Path(importlib.util.cache_from_source(str(path)))
    if not compiled.exists():
        bare.append(str(path))
    elif int.from_bytes(compiled.read_bytes()[4:8], "little") != 1:
        checked.append(str(path))
print(json.dumps([bare, checked]))
"""
INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps(sorted([found.metadata["Name"], found.version] for found in distributions())))
"""
TORCH = "import json, torch; print(json.dumps([torch.__version__.split('+')[0], torch.version.cuda or 'none']))"


def inside(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """stdout of a program of the image, other than its entry point."""
    return told("run", "--rm", "--network=none", *options, "--entrypoint", command[0], image, *command[1:])


def python(image: str, program: str) -> Any:
    """What a Python program in the image prints, as JSON."""
    return json.loads(inside(image, "python", "-c", program))


@pytest.fixture(scope="module")
def checks(image: str) -> dict[str, str]:
    """What ``doctor`` finds inside."""
    document = json.loads(told("run", "--rm", "--network=none", image, "doctor", "--format", "json"))
    return {check["check"]: check["detail"] for check in document["checks"]}


def test_labels_are_what_doctor_measures(inspected: dict[str, Any], checks: dict[str, str]) -> None:
    """Version, revision, schema, torch, CUDA and locks of the labels are those that the process inside finds."""
    labels = {name: value for name, value in inspected["Labels"].items() if name in MEASURED or name.startswith(OWN)}
    assert len(labels) == 6
    assert {name: checks[name] for name in labels} == {name: value or "unknown" for name, value in labels.items()}


def test_labels_of_the_content(image: str, inspected: dict[str, Any]) -> None:
    """torch itself tells version and CUDA of the labels; the locks inside are the repository's, with that digest."""
    labels = inspected["Labels"]
    assert python(image, TORCH) == [labels[f"{OWN}torch.version"], labels[f"{OWN}cuda.version"]]
    locks = b"".join((ROOT / f"docker/{name}").read_bytes() for name in ("cpu.lock", "torch-cpu.lock"))
    assert labels[f"{OWN}lock.sha256"] == hashlib.sha256(locks).hexdigest()
    assert inside(image, "sh", "-c", "cat /opt/loraruner/lock/*") == locks.decode().strip()
    schema = hashlib.sha256((ROOT / "schemas/job.schema.json").read_bytes()).hexdigest()
    assert labels[f"{OWN}schema.version"] == schema[:12]


def test_labels_of_the_build(inspected: dict[str, Any]) -> None:
    """Title, licence, base and the date of the source stand in OCI's own labels; the date is the image's own."""
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in inspected["Labels"].items()}
    assert (labels["title"], labels["licenses"], labels["version"]) == ("loraruner", "Apache-2.0", __version__)
    assert labels["base.name"] and "@" not in labels["base.name"] and "adapter" in labels["description"]
    assert datetime.fromisoformat(labels["created"]) == datetime.fromisoformat(inspected["Created"])
    assert inspected["Config"]["Env"].count(f"LORARUNER_REVISION={labels['revision']}") == 1


def test_the_process(image: str, inspected: dict[str, Any]) -> None:
    """tini starts loraruner as a numeric user, and without arguments it says how it is used."""
    config = inspected["Config"]
    assert (config["User"], config["WorkingDir"]) == ("10001:10001", "/workspace")
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "loraruner"]
    assert "Usage: loraruner" in told("run", "--rm", "--network=none", image)
    assert inside(image, "id", "-u") == "10001"
    assert told("run", "--rm", image, "--version") == f"loraruner, version {__version__}"


def test_requirements_agree(image: str) -> None:
    """pip check finds no conflict and nothing missing, though the locks were installed without resolving."""
    mount = ("--volume", f"{Path(pip.__file__).parent}:/check/pip:ro", "--env", "PYTHONPATH=/check")
    answer = inside(image, "python", "-m", "pip", "--disable-pip-version-check", "check", options=mount)
    assert answer.splitlines()[-1] == "No broken requirements found."


def test_the_bill_of_materials(image: str, checks: dict[str, str]) -> None:
    """It is valid CycloneDX 1.5, and lists what is installed, which is what the locks pin, and loraruner."""
    text = inside(image, "cat", "/opt/loraruner/sbom.json")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    listed = sorted([each["name"], each["version"]] for each in json.loads(text)["components"])
    assert listed == python(image, INSTALLED) and "lists what is installed" in checks["sbom"]
    locks = inside(image, "sh", "-c", "cat /opt/loraruner/lock/*")
    pins = dict(re.findall(r"^([a-z0-9._-]+)==([^\s\\]+)", locks, flags=re.MULTILINE))
    found = {re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0] for name, version in listed}
    assert found == {**pins, "loraruner": __version__}


def test_all_is_compiled(image: str) -> None:
    """Bytecode is there, taken as it is, for all but files of newer Pythons and what docker/not-compiled names."""
    bare, checked = python(image, BYTECODE)
    assert checked == []
    late = [path for path in bare if re.search((ROOT / "docker/not-compiled").read_text().strip(), path)]
    others = [path for path in bare if path not in late]
    assert len(late) > 10
    assert all("py312" in path for path in others) and len(others) < 5


def test_nothing_gives_more_rights(image: str) -> None:
    """No file is setuid or setgid, and the user may write to /workspace and the usual temporary folders alone."""
    assert inside(image, "find", "/", "-xdev", "-type", "f", "-perm", "/6000", options=("--user", "0:0")) == ""
    search = "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/dev/*' ! -path '/sys/*' 2>/dev/null || true"
    writable = set(inside(image, "sh", "-c", search).splitlines())
    assert "/workspace" in writable
    assert writable - {"/workspace", "/tmp", "/var/tmp", "/run/lock", "/run/secrets"} == set()


def test_nothing_is_left_of_the_build(image: str) -> None:
    """No package lists, archives, logs or caches; pip, the wheels and the places where they were found stay behind."""
    search = "find /var/lib/apt/lists /var/cache/apt /var/log /root/.cache /build /wheels /layers /locks -type f"
    assert inside(image, "sh", "-c", f"{search} 2>/dev/null || true", options=("--user", "0:0")) == ""
    assert inside(image, "ls", "/opt").split() == ["loraruner", "venv"]
    assert "pip" not in {name.lower() for name, _ in python(image, INSTALLED)}


def test_no_secret_is_left(image: str, layers: list[Path]) -> None:
    """What pip was told of its index stands in no layer, no history and no configuration of the image."""
    mark = runpy.run_path(str(ROOT / "ci/image_pip.py"))["MARK"]
    texts = [path for path in layers[0].parent.iterdir() if path not in layers]
    assert len(layers) == 7 and len(texts) >= 2
    assert [path.name for path in (*layers, *texts) if holds(path, mark.encode())] == []
    history = told("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert mark not in history and "://" not in history


def holds(path: Path, mark: bytes, block_bytes: int = 16 << 20) -> bool:
    """Whether a file has the mark anywhere, read block by block."""
    before = b""
    with path.open("rb") as stream:
        while block := stream.read(block_bytes):
            if mark in before + block:
                return True
            before = block[-len(mark) :]
    return False


def test_a_planted_secret_is_found(tmp_path: Path) -> None:
    """The search itself sees a mark that lies across two blocks."""
    (tmp_path / "layer").write_bytes(b"0123456789secret")
    assert holds(tmp_path / "layer", b"secret", block_bytes=12) and not holds(tmp_path / "layer", b"secreta")


def test_dates_are_those_of_the_source(layers: list[Path], inspected: dict[str, Any]) -> None:
    """Our code has the date of the image, so that a second build can have the same bytes; all below it, but the base,
    has one that no release changes, so that an upgrade pulls our code alone."""
    created_s = int(datetime.fromisoformat(inspected["Created"]).timestamp())
    assert created_s > LAYERS_S
    for layer, date_s in zip(layers[1:], [LAYERS_S] * (len(layers) - 2) + [created_s], strict=True):
        with tarfile.open(layer) as archive:
            assert {member.mtime for member in archive} == {date_s}


def test_large_data_lie_below_our_code(layers: list[Path]) -> None:
    """The code's layer, which every release changes, has no large file of data; they are in the layer below it."""
    with tarfile.open(layers[-1]) as archive:
        assert [member.name for member in archive if member.size > 200 << 10 and ".py" not in member.name] == []
    with tarfile.open(layers[-2]) as archive:
        files = {member.name.rpartition("site-packages/")[2] for member in archive if member.isfile()}
    assert files == {"loraruner/families/diffusion/sd1/merges.txt"}


@pytest.mark.parametrize("user", ["10001:10001", "12345:0", "54321:54321"])
def test_any_user_finds_a_place_to_write(image: str, user: str, tmp_path: Path) -> None:
    """With a read-only root and an empty mount alone, doctor is content, and the mount is what is written to."""
    tmp_path.chmod(0o777)
    strict = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--network=none", "--user", user)
    done = podman("run", "--rm", *strict, "--volume", f"{tmp_path}:/workspace", image, "doctor", "--format", "json")
    assert (done.code, json.loads(done.out)["fit"]) == (0, True), done.err
