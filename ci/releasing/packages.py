"""The wheel and the sdist, made twice from copies of other ages, and equal."""

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

from ci.releasing.commands import without_secrets
from ci.releasing.digests import sha256
from loraruner.errors import DataInvalid

AGES_S = (0, 86_413)  # two exports differ in the times of all their files


def build(source: Path, output: Path, epoch_s: int, environment: dict[str, str]) -> list[Path]:
    """Wheel and sdist of a copy of the tree, in ``output``; DataInvalid with the end of the log."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    # A home of its own: setuptools reads ~/.pydistutils.cfg, and would build something else on another machine.
    fixed = {"SOURCE_DATE_EPOCH": str(epoch_s), "PYTHONHASHSEED": "0", "HOME": str(output), "PYTHONNOUSERSITE": "1"}
    done = subprocess.run(
        command, cwd=source, env={**without_secrets(environment), **fixed}, capture_output=True, text=True, check=False,
        umask=0o022,
    )  # fmt: skip
    if done.returncode != 0:
        raise DataInvalid(f"python -m build failed: {(done.stdout + done.stderr)[-2000:].strip()}")
    (wheel,), (sdist,) = output.glob("*.whl"), output.glob("*.tar.gz")
    normalise(sdist, epoch_s)
    return [wheel, sdist]


def normalise(sdist: Path, epoch_s: int) -> None:
    """Write an sdist anew, without what differs by machine: times, owners, modes, order, compression."""
    with tarfile.open(sdist) as archive:
        members = [(member, archive.extractfile(member)) for member in archive.getmembers()]
        contents = {member.name: (member, file.read() if file else b"") for member, file in members}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(contents):
            member, data = contents[name]
            plain = tarfile.TarInfo(name)
            plain.type, plain.size, plain.mtime = member.type, len(data), epoch_s
            plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            archive.addfile(plain, io.BytesIO(data))
    sdist.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=epoch_s))


def require_equal(first: list[Path], second: list[Path]) -> None:
    """DataInvalid names the files of two builds that differ."""
    differ = [
        f"{one.name} is {sha256(one)} and then {sha256(two)}"
        for one, two in zip(first, second, strict=True)
        if one.name != two.name or sha256(one) != sha256(two)
    ]
    if differ:
        raise DataInvalid(f"two builds of one commit differ ({'; '.join(differ)}): a release has to be reproducible")
