"""``make lock``: docker/cuda.lock, all that the CUDA image needs, resolved from what the index tells of its files.

    python ci/cuda_lock.py [--upgrade] [--index-url URL]   resolve and write
    python ci/cuda_lock.py --check                         only judge the lock that is there, offline

The packages of docker/cpu.lock keep their versions and hashes; torch (ci/torch.txt) is its CUDA build, and the NVIDIA
libraries and triton that it names join. pip resolves from metadata alone (``--dry-run``), so nobody needs the 3 GB of
wheels to make the lock. What each package needs on Linux x86_64 and Python 3.11 stands in the lock as a comment, so
that ``--check`` and the tests can prove without a network that the lock is complete.

pip's configuration holds, all but ``find-links`` and ``extra-index-url``: from there comes the CPU build of torch on
machines that have no GPU.
"""

import argparse
import configparser
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # run as a script

from ci.lock import CPU_LOCK, TORCH, parse  # noqa: E402

CUDA_LOCK = ROOT / "docker/cuda.lock"
EXTRAS = ("s3", "metrics", "notify", "smartsheet", "train")
HEADER = """\
# Made by `make lock` from setup.cfg (extras {}), docker/cpu.lock and ci/torch.txt: edit those, not this.
# Linux x86_64, Python 3.11. Resolved from the index's metadata alone; no check builds an image from it (docs/image.md).
"""
NEEDS = re.compile(r"# ([a-z0-9-]+) needs (.+)\n")


class Package(NamedTuple):
    """A resolved package: its version, the SHA-256 of the wheel that pip would take, and what it says it needs."""

    version: str
    sha256: str
    requirements: tuple[Requirement, ...]


def main() -> int:
    """Write or check the lock; 1 with every fault found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="resolve nothing, judge the lock that is there")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that torch allows")
    parser.add_argument("--index-url", default="", help="another index than pip's, such as a mirror's")
    arguments = parser.parse_args()
    cpu = CPU_LOCK.read_text()
    if arguments.check:
        text = CUDA_LOCK.read_text()
    else:
        text = render(resolve(arguments.upgrade, arguments.index_url), parse(cpu))
    for fault in (found := faults(text, cpu)):
        print(f"docker/cuda.lock: {fault}", file=sys.stderr)
    if not found and not arguments.check:
        CUDA_LOCK.write_text(text)
        print(f"{CUDA_LOCK.relative_to(ROOT)}: {len(parse(text))} packages")
    return 1 if found else 0


def resolve(upgrade: bool, index_url: str) -> dict[str, Package]:
    """What pip would install for the locked packages and torch's CUDA build: name -> package."""
    if (sys.platform, platform.machine(), sys.version_info[:2]) != ("linux", "x86_64", (3, 11)):
        sys.exit("make lock resolves for the image: run it with Python 3.11 on Linux x86_64")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wanted = [*pins(CPU_LOCK.read_text()), TORCH.read_text().strip()]
        (folder / "wanted.txt").write_text("\n".join(wanted) + "\n")
        kept = [] if upgrade or not CUDA_LOCK.exists() else kept_pins(CUDA_LOCK.read_text(), wanted)
        (folder / "kept.txt").write_text("\n".join(kept) + "\n")
        (folder / "pip.conf").write_text(configuration())
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", "--report", str(folder / "report.json"), "-r", str(folder / "wanted.txt")]
        command += ["-c", str(folder / "kept.txt"), *(["--index-url", index_url] if index_url else [])]
        hidden = {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
        subprocess.run(command, env=os.environ | hidden, check=True)
        report = json.loads((folder / "report.json").read_text())
    return dict(map(package, report["install"]))


def pins(text: str) -> list[str]:
    """The ``name==version`` of a lock, in its order."""
    return [block.split(" ", 1)[0] for block in parse(text).values()]


def kept_pins(text: str, wanted: Iterable[str]) -> list[str]:
    """The pins of the last lock that may stay beside ``wanted``: none for another torch, with other libraries."""
    last, given = pins(text), {pin.split("==")[0]: pin for pin in wanted}
    return [pin for pin in last if pin.split("==")[0] not in given] if given["torch"] in last else []


def configuration() -> str:
    """pip's own configuration files as one, without the places where a CPU build of torch may lie."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    sections: dict[str, list[str]] = {}
    for section, key, value in re.findall(r"^([\w-]+)\.([\w-]+)='(.*)'$", listed.stdout, flags=re.MULTILINE):
        if key not in ("find-links", "extra-index-url"):
            sections.setdefault(section, []).append(f"{key} = {value}")
    return "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items())


def package(entry: Mapping[str, Any]) -> tuple[str, Package]:
    """One entry of pip's report."""
    metadata = entry["metadata"]
    needed = tuple(map(Requirement, metadata.get("requires_dist", ())))
    digest = entry["download_info"]["archive_info"]["hashes"]["sha256"]
    return canonicalize_name(metadata["name"]), Package(metadata["version"], digest, needed)


def render(packages: Mapping[str, Package], cpu: Mapping[str, str]) -> str:
    """The lock: shared packages as docker/cpu.lock has them, the others with the hash of their one wheel.

    Ends the program where the index has another file of a shared version than docker/cpu.lock.
    """
    wanted = extras(packages)
    parts = [HEADER.format(", ".join(EXTRAS))]
    for name, each in sorted(packages.items()):
        if name in cpu and each.sha256 not in cpu[name]:
            sys.exit(f"make lock found another file of {name} {each.version} than docker/cpu.lock has: run it again")
        if needed := applying(each, wanted[name]):
            parts.append(f"# {name} needs {'; '.join(sorted(needed))}\n")
        parts.append(cpu.get(name) or f"{name}=={each.version} \\\n    --hash=sha256:{each.sha256}\n")
    return "".join(parts)


def extras(packages: Mapping[str, Package]) -> dict[str, set[str]]:
    """The extras with which others ask for each package; always with "", the package alone."""
    wanted: dict[str, set[str]] = {name: {""} for name in packages}
    while True:
        before = sum(map(len, wanted.values()))
        for name, each in packages.items():
            for needed in map(Requirement, applying(each, wanted[name])):
                wanted.setdefault(canonicalize_name(needed.name), {""}).update(needed.extras)
        if sum(map(len, wanted.values())) == before:
            return wanted


def applying(each: Package, wanted: Iterable[str]) -> set[str]:
    """The requirements whose marker holds on this platform with any of the extras, without the marker."""
    return {
        str(needed).split(";")[0].strip()
        for needed in each.requirements
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in wanted)
    }


def faults(text: str, cpu: str) -> list[str]:
    """Everything that would make an image of this lock fail or differ from the CPU image; needs no network."""
    locked, shared = parse(text), parse(cpu)
    versions = dict(pin.split("==") for pin in pins(text))
    found = [f"{name} is not as docker/cpu.lock has it" for name in shared if locked.get(name) != shared[name]]
    if versions.get("torch") != TORCH.read_text().strip().partition("==")[2]:
        found.append("torch is not the version of ci/torch.txt")
    found += [f"{name} {version} is a local build" for name, version in versions.items() if Version(version).local]
    needed = {name: [*map(Requirement, listed.split("; "))] for name, listed in NEEDS.findall(text)}
    needed["loraruner"] = roots()
    for name, requirements in needed.items():
        for each in requirements:
            version = versions.get(canonicalize_name(each.name))
            if version is None or not each.specifier.contains(version, prereleases=True):
                found.append(f"{name} needs {each}, and the lock has {version or 'none'}")
    asked = {canonicalize_name(each.name) for requirements in needed.values() for each in requirements}
    found += [f"{name} is needed by nothing" for name in versions if name not in asked]
    return found


def roots() -> list[Requirement]:
    """What loraruner itself needs, by setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"], *(config["options.extras_require"][name] for name in EXTRAS)]
    return [Requirement(line) for text in texts for line in text.split("\n") if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
