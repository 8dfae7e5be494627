"""A chart as the archive that ``helm package`` makes, the same bytes for the same files.

Helm keeps the times of the files in its archive, and a fresh checkout has other times than the one before: it gets a
copy in which all files bear one time. Files that ``.helmignore`` names stay out.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def package(folder: Path, out: Path, epoch: int) -> Path:
    """``out/NAME-VERSION.tgz`` of the chart in ``folder``, all files dated ``epoch`` (seconds).

    Runs the Helm that ``make setup-tools`` installed, or the one that ``HELM`` names. Raises FileNotFoundError without
    one, and ValueError with Helm's words for what is no chart.
    """
    helm = Path(os.environ.get("HELM") or Path(sys.prefix, "tools", "helm"))
    if not helm.exists():
        raise FileNotFoundError(f"{helm}: there is no Helm; run make setup-tools, or name one in HELM")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "chart")
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (copy, *copy.rglob("*")):
            os.utime(path, (epoch, epoch))
        packed = Path(scratch, "packed")
        packed.mkdir()
        command = [str(helm), "package", str(copy), "--destination", str(packed)]
        # Nothing of the user's own Helm, such as plugins and logins, has a part in it, and no home is needed.
        names = ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS")
        apart = dict.fromkeys(names, str(Path(scratch, "home")))
        apart["HELM_REGISTRY_CONFIG"] = str(Path(scratch, "home", "registry.json"))
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | apart)
        if done.returncode:
            raise ValueError(f"{folder}: helm package refuses it: {done.stderr.strip()}")
        (archive,) = packed.iterdir()
        with tarfile.open(archive) as opened:
            if {member.mtime for member in opened} != {epoch}:
                raise ValueError(f"{helm} writes the time of the day into packages; take Helm 4 (make setup-tools)")
        target = out / archive.name
        beside = out / f".{archive.name}.tmp"
        shutil.copyfile(archive, beside)
        os.replace(beside, target)
    return target
