"""``ci/image``: build an image of loraruner with buildah or docker, and print its id.

Variables: BASE_IMAGE (required), TARGET (cpu or runtime), IMAGE (the tag), WHEEL (a wheel; default: built here),
BUILDER (buildah or docker; default: the first that is there), PIP_CONF (a pip.conf with the index and its password),
RELEASE=1 (refuses what cannot be built again), NO_CACHE=1 (builds every step anew), REVISION, SOURCE_URL,
SOURCE_DATE_EPOCH.

How pip finds packages on this machine holds within the build too: its settings become a build secret, its CA file
another, and folders that it looks into are mounted read-only. None of that is in the image or its history.
"""

import configparser
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # run as a script

from ci import containers  # noqa: E402
from ci.image_pip import PipSettings, pip_settings  # noqa: E402
from loraruner import __version__, image  # noqa: E402

LOCKS = {"cpu": ("docker/cpu.lock", "docker/torch-cpu.lock"), "runtime": ("docker/cuda.lock",)}
BUILDERS = ("buildah", "docker")
CONTEXT = (
    *("docker/Dockerfile", "docker/install-locked", "docker/not-compiled", "docker/finish"),
    *("ci/image_check.py", "ci/image_prune.py"),
)
# The date of all files below our code, and of the layers that hold them: with that of a release, an upgrade would pull
# every layer again. 1980-01-01, the earliest that archives of all kinds know.
LAYERS_S = 315_532_800
PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")
CUDA_RUNTIME = re.compile(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+\.\d+)", re.MULTILINE)
TORCH = re.compile(r"^torch==(\S+)", re.MULTILINE)


class Refused(Exception):
    """What cannot be built as asked: one sentence, and an exit code of docs/exit-codes.md."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Request:
    """What is to be built."""

    base: str
    target: str  # a stage of docker/Dockerfile: "cpu" | "runtime"
    tag: str
    builder: str  # "buildah" | "docker"
    revision: str  # of the source; empty where it is not known
    source_url: str  # where the source can be seen; empty: no label
    cached: bool  # whether steps of an earlier build may be taken
    created_s: int  # seconds since 1970: the date of the image and of the files of our code


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Build; the id is the last line on stdout, everything else goes to stderr."""
    try:
        request = read_request(environment)
        with tempfile.TemporaryDirectory(prefix="loraruner-image-") as scratch:
            folder = Path(scratch)
            wheel = given_wheel(environment) or build_wheel(folder / "wheel", request.created_s)
            context = make_context(folder / "context", wheel, request.target)
            settings = secrets_of(environment, folder / "secrets")
            print(build(request, context, settings, folder / "id"))
    except Refused as error:
        print(f"ci/image: {error}", file=sys.stderr)
        return error.code
    except subprocess.CalledProcessError as error:
        print(f"ci/image: {error.cmd[0]} ended with {error.returncode}; its lines above say why", file=sys.stderr)
        return 70
    return 0


def read_request(environment: Mapping[str, str]) -> Request:
    """The variables, judged. Raises Refused."""
    base, target = environment.get("BASE_IMAGE", ""), environment.get("TARGET") or "cpu"
    if not base:
        raise Refused(64, "BASE_IMAGE is not set; name a Debian with Python 3.11, by digest (docs/image.md)")
    if environment.get("RELEASE") == "1" and not PINNED.fullmatch(base):
        raise Refused(64, f"BASE_IMAGE={base} has no digest, and a release needs one; give NAME@sha256:DIGEST")
    if target not in LOCKS:
        raise Refused(64, f"TARGET={target} is not known; give one of {', '.join(LOCKS)}")
    return Request(
        base=base,
        target=target,
        tag=environment.get("IMAGE") or f"localhost/loraruner:{__version__}-{target}",
        builder=find_builder(environment.get("BUILDER", "")),
        revision=environment.get("REVISION") or git_revision(release=environment.get("RELEASE") == "1"),
        source_url=source_url(environment.get("SOURCE_URL", "")),
        cached=environment.get("NO_CACHE") != "1",
        created_s=created_s(environment.get("SOURCE_DATE_EPOCH", "")),
    )


def find_builder(wanted: str) -> str:
    """The builder that is asked for, or the first that is installed."""
    if wanted and wanted not in BUILDERS:
        raise Refused(64, f"BUILDER={wanted} is not known; give one of {', '.join(BUILDERS)}")
    for name in [wanted] if wanted else BUILDERS:
        if shutil.which(name):
            return name
    missing = f"{wanted} is not installed" if wanted else "neither buildah nor docker is installed"
    raise Refused(78, f"{missing}; run ci/setup-system")


def source_url(text: str) -> str:
    """An address for a label that everybody can read: without user and password."""
    if text and not re.fullmatch(r"https://[^/\s@]+(/[^\s@]*)?", text):
        raise Refused(64, "SOURCE_URL is no https:// address without user and password; correct it or unset it")
    return text


def git_revision(*, release: bool) -> str:
    """The commit of the source; "-dirty" where files differ from it, which a release refuses; empty without git."""
    try:
        head = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        head, dirty = "", False
    if release and (dirty or not head):
        raise Refused(64, "the source differs from its commit, and a release must not; commit, or unset RELEASE")
    return f"{head}-dirty" if dirty else head


def created_s(text: str) -> int:
    """SOURCE_DATE_EPOCH, else when the commit was made: two builds of one source are of one date."""
    try:
        return int(text or git("log", "-1", "--format=%ct"))
    except (OSError, ValueError, subprocess.CalledProcessError):
        raise Refused(64, f"SOURCE_DATE_EPOCH={text} is no number of seconds, nor does git know a commit") from None


def git(*arguments: str) -> str:
    """What git says of the source."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def given_wheel(environment: Mapping[str, str]) -> Path | None:
    """WHEEL: the very wheel that is published elsewhere."""
    if not environment.get("WHEEL"):
        return None
    wheel = Path(environment["WHEEL"])
    if not wheel.is_file():
        raise Refused(66, f"WHEEL={wheel} is not there; run make wheel, or unset it")
    if not re.fullmatch(rf"loraruner-{re.escape(__version__)}-py3-none-any\.whl", wheel.name):
        raise Refused(65, f"WHEEL={wheel} is not the wheel of loraruner {__version__}; build it from this source")
    return wheel


def build_wheel(folder: Path, seconds: int) -> Path:
    """The wheel of this source, as ``make wheel`` builds it."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    variables = {**os.environ, "SOURCE_DATE_EPOCH": str(seconds)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)
    (wheel,) = folder.glob("*.whl")
    return wheel


def secrets_of(environment: Mapping[str, str], folder: Path) -> PipSettings:
    """What pip uses on this machine, as files for the build. Raises Refused."""
    path = environment.get("PIP_CONF", "")
    try:
        return pip_settings(environment, folder)
    except OSError as error:
        raise Refused(66, f"PIP_CONF={path} cannot be read ({error.strerror}); correct the path") from None
    except (configparser.Error, UnicodeDecodeError):
        raise Refused(65, f"PIP_CONF={path} is no pip.conf; give a file with [global] and index-url") from None


def make_context(folder: Path, wheel: Path, target: str) -> Path:
    """What the build sees: nothing but what it copies."""
    for name in (*CONTEXT, *LOCKS[target]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "dist").mkdir()
    shutil.copy(wheel, folder / "dist")
    return folder


def build_arguments(request: Request) -> dict[str, str]:
    """The arguments that docker/Dockerfile declares."""
    texts = {name: (ROOT / name).read_bytes() for name in LOCKS[request.target]}
    everything = b"\n".join(texts.values()).decode()
    torch, cuda = TORCH.search(everything), CUDA_RUNTIME.search(everything)
    return {
        "BASE_IMAGE": request.base,
        "BASE_NAME": request.base.partition("@")[0],
        "VERSION": __version__,
        "REVISION": request.revision,
        "CREATED": datetime.fromtimestamp(request.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SCHEMA_VERSION": hashlib.sha256((ROOT / "schemas/job.schema.json").read_bytes()).hexdigest()[:12],
        "TORCH_VERSION": torch[1] if torch else "",
        "CUDA_VERSION": cuda[1] if cuda else image.NO_CUDA,
        "LOCK_SHA256": image.lock_sha256([ROOT / name for name in texts]),
    }


def extra_labels(request: Request) -> dict[str, str]:
    """Labels whose value is not always known."""
    digest = request.base.partition("@")[2]
    known = {
        "org.opencontainers.image.base.digest": digest,
        "org.opencontainers.image.source": request.source_url,
        "org.opencontainers.image.documentation": request.source_url and f"{request.source_url.rstrip('/')}#readme",
    }
    return {name: value for name, value in known.items() if value}


def commands(request: Request, context: Path, settings: PipSettings, id_file: Path) -> Iterator[list[str]]:
    """The builder's commands; each leaves an id in ``id_file``, the last one that of the image.

    buildah gives all files of one command one date: what changes less often than a release comes first, with a date of
    its own. buildah's cache heeds no dates: the last command, of the release's date, is done without it. A folder of
    this machine that a step sees stays in its layer as an empty one, so only steps that no image is made of see any.
    Raises Refused where docker can't be given what pip uses here.
    """
    given = [word for name, value in build_arguments(request).items() for word in ("--build-arg", f"{name}={value}")]
    given += [word for name, path in settings.secrets.items() for word in ("--secret", f"id={name},src={path}")]
    given += ["--file", str(context / "docker/Dockerfile"), "--iidfile", str(id_file)]
    named = [word for name, value in extra_labels(request).items() for word in ("--label", f"{name}={value}")]
    named += ["--target", request.target, "--tag", request.tag]
    fresh = [] if request.cached else ["--no-cache"]
    if request.builder == "docker":
        yield [*docker(request, settings), *fresh, *given, *named, str(context)]
        return
    mounts = [word for folder in settings.folders for word in ("--volume", f"{folder}:{folder}:ro")]
    for stage, more in {"system": [], "builder": [], f"packages-{request.target}": mounts}.items():
        yield [*buildah(LAYERS_S), "--layers", *fresh, *more, *given, "--target", stage, str(context)]
        given += ["--build-context", f"{stage}=container-image://{id_file.read_text().strip()}"]
    yield [*buildah(request.created_s), "--layers=false", *given, *named, str(context)]


def buildah(date_s: int) -> list[str]:
    """A build with buildah, all of whose files are of one date."""
    return ["buildah", "bud", "--isolation", "chroot", "--format", "oci", "--timestamp", str(date_s)]


def docker(request: Request, settings: PipSettings) -> list[str]:
    """A build with docker. Raises Refused where it can't be given what pip uses here."""
    if settings.folders:
        names = ", ".join(map(str, settings.folders))
        raise Refused(78, f"pip looks into {names}, which docker cannot mount in a build; use BUILDER=buildah")
    # Docker's own store takes no attestations; the bill of materials is in the image.
    command = ["docker", "buildx", "build", "--provenance=false"]
    command += ["--output", f"type=docker,name={request.tag},rewrite-timestamp=true"]
    return [*command, "--build-arg", f"SOURCE_DATE_EPOCH={request.created_s}"]


def build(request: Request, context: Path, settings: PipSettings, id_file: Path) -> str:
    """Run the builder; returns the image's id, sha256:..."""
    variables = {**containers.environment(), "SOURCE_DATE_EPOCH": str(request.created_s)}
    for command in commands(request, context, settings, id_file):
        subprocess.run(command, check=True, stdout=sys.stderr.fileno(), env=variables)
    return id_file.read_text().strip()


def leave(number: int, _: object) -> None:
    """End by a signal as by an error, so that the secrets of the build are removed."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    sys.exit(main())
