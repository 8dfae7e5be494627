"""The locks are complete, hashed, free of addresses, and what is installed here."""

import configparser
import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = (
    *("docker/cpu.lock", "docker/torch-cpu.lock", "ci/dev.lock"),
    *("ci/voice.lock", "ci/speech.lock", "ci/tools.lock"),
)
CUDA_LOCK = "docker/cuda.lock"  # holds docker/cpu.lock again; tests/house/test_cuda_lock.py compares them


def pins(name: str) -> dict[str, str]:
    """Package name -> version of a lock."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), flags=re.MULTILINE))


def closure(requirement: Requirement) -> set[str]:
    """Names of everything that a requirement pulls in on this machine, read from what is installed."""
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement.name, extra) for extra in {"", *requirement.extras}]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            for needed in map(Requirement, requires(name) or []):
                if needed.name == "pip":  # the environment's own: pypiserver wants a newer one for `pypi-server update`
                    continue
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    assert needed.specifier.contains(version(needed.name), prereleases=True), f"{name} needs {needed}"
                    waiting += [(canonicalize_name(needed.name), wanted) for wanted in {"", *needed.extras}]
    return {name for name, _ in seen} - {requirement.name}


@pytest.mark.parametrize("name", (*LOCKS, CUDA_LOCK))
def test_every_line_is_a_pin_with_hashes(name: str) -> None:
    """A lock holds exact versions and SHA-256 digests; no option, no address, no path."""
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    entry = r"[a-z0-9._-]+==[A-Za-z0-9.+!]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{entry})+", text)


def test_every_lock_is_checked() -> None:
    """No lock lies in the repository that these tests leave out."""
    assert sorted((*LOCKS, CUDA_LOCK)) == sorted(
        str(path.relative_to(ROOT)) for top in ("ci", "docker", ".") for path in (ROOT / top).glob("*.lock")
    )


def test_hashes_belong_to_one_package() -> None:
    """No digest stands twice in the locks, so none was copied from one package to another."""
    digests = [digest for name in LOCKS for digest in re.findall(r"sha256:([0-9a-f]{64})", (ROOT / name).read_text())]
    assert len(digests) == len(set(digests)) > len(LOCKS)


@pytest.mark.parametrize("name", (*LOCKS, CUDA_LOCK))
def test_releases_only(name: str) -> None:
    """Every pin is a release in its canonical name: no candidate, no development or local version."""
    for package, pinned in pins(name).items():
        parsed = Version(pinned)
        assert (package, parsed.is_prerelease, parsed.local) == (canonicalize_name(package), False, None)


def test_requirements_come_from_an_index() -> None:
    """No requirement of setup.cfg, pyproject.toml or ci/torch.txt is an address, a repository or a path."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    lines += tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    lines += (ROOT / "ci/torch.txt").read_text().splitlines()
    assert len(lines) > 30
    assert [line for line in lines if Requirement(line).url or not Requirement(line).specifier] == []


def test_installing_checks_hashes_and_builds_nothing() -> None:
    """``make setup`` takes wheels alone, with their digests, resolves nothing, and never asks a second index."""
    makefile = (ROOT / "Makefile").read_text()
    install = re.search(r"^INSTALL := (.*)$", makefile, flags=re.MULTILINE)
    assert install and {"--no-deps", "--only-binary=:all:", "--require-hashes"} <= set(install[1].split())
    assert "extra-index-url" not in makefile
    requirement = re.compile(r"^.*install.* -r (\S+)", flags=re.MULTILINE)
    plain = [match[1] for match in requirement.finditer(makefile) if "$(INSTALL)" not in match[0]]
    assert plain == ["ci/torch.txt"]


def test_runtime_lock_is_complete() -> None:
    """docker/cpu.lock and torch are exactly what the extras for running need: --no-deps misses nothing."""
    accelerator = re.compile(r"(nvidia(?!-ml-py)|cuda|triton)\b")  # what a CUDA build of torch adds elsewhere
    everything = closure(Requirement("loraruner[s3,metrics,notify,smartsheet,train]"))
    needed = {name for name in everything if not accelerator.match(name)}
    assert needed == {*pins("docker/cpu.lock"), "torch"}


def test_development_lock_is_complete() -> None:
    """ci/dev.lock holds the rest of loraruner[s3,train,dev]; pip itself comes with the environment."""
    needed = closure(Requirement("loraruner[dev]")) - {*pins("docker/cpu.lock"), "pip"}
    assert needed == set(pins("ci/dev.lock"))


@pytest.mark.parametrize("extra", ["voice", "speech"])
def test_packages_of_models_are_locked(extra: str) -> None:
    """The lock of an example's model holds the exact versions of its extra."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    locked = [f"{name}=={pinned}" for name, pinned in pins(f"ci/{extra}.lock").items()]
    assert locked == config["options.extras_require"][extra].split()


def test_locks_share_no_package() -> None:
    """No package is pinned twice, so no two pins can differ."""
    assert not set(pins("docker/cpu.lock")) & set(pins("ci/dev.lock"))


def test_installed_versions_are_the_locked_ones() -> None:
    """Tests run on the versions that the image gets."""
    locked = pins("docker/cpu.lock") | pins("ci/dev.lock")
    assert {name: version(name) for name in locked} == locked


def test_torch_is_pinned_alike() -> None:
    """make setup, the image and this environment have the same release of torch."""
    pinned = (ROOT / "ci/torch.txt").read_text().strip().removeprefix("torch==")
    assert pins("docker/torch-cpu.lock")["torch"] == pinned
    assert version("torch").split("+")[0] == pinned
