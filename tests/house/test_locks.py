"""The locks are complete, hashed, free of addresses, and what is installed here."""

import configparser
import re
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("docker/cpu.lock", "docker/torch-cpu.lock", "ci/dev.lock", "ci/voice.lock", "ci/speech.lock")


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
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    assert needed.specifier.contains(version(needed.name), prereleases=True), f"{name} needs {needed}"
                    waiting += [(canonicalize_name(needed.name), wanted) for wanted in {"", *needed.extras}]
    return {name for name, _ in seen} - {requirement.name}


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_pin_with_hashes(name: str) -> None:
    """A lock holds exact versions and SHA-256 digests; no option, no address, no path."""
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    entry = r"[a-z0-9._-]+==[A-Za-z0-9.+!]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{entry})+", text)


def test_runtime_lock_is_complete() -> None:
    """docker/cpu.lock and torch are exactly what loraruner[s3,train] needs: --no-deps misses nothing."""
    accelerator = re.compile(r"(nvidia|cuda|triton)\b")  # what a CUDA build of torch adds on other machines
    needed = {name for name in closure(Requirement("loraruner[s3,train]")) if not accelerator.match(name)}
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
