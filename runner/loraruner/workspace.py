"""The one place that knows where things lie: a run's local folder and the keys of the public store layout."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.json"
DIGEST_FIELD = "digest"  # the manifest's own, over all else that it says
CAPTIONS = "captions.jsonl"
LATEST_KEY = "latest.json"
RESERVATIONS_PREFIX = "reservations/"
VERSIONS_PREFIX = "versions/"


@dataclass(frozen=True)
class Workspace:
    """Local folder of one run, as one attempt uses it. All of it can be rebuilt from the store and the inputs."""

    root: Path
    attempt: int = 1

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint."""
        return self.root / "checkpoints"

    @property
    def version(self) -> Path:
        """The version folder while this attempt makes it."""
        return self.root / f"version-{self.attempt}"

    @property
    def captions(self) -> Path:
        """The captions that a captioner made, in the version."""
        return self.version / CAPTIONS

    @property
    def samples(self) -> Path:
        """What was tried on the exported adapter."""
        return self.version / "samples"

    def logs(self, attempt: int) -> Path:
        """Logs of one attempt."""
        return self.root / "logs" / f"attempt-{attempt}"

    def train_log(self, attempt: int) -> Path:
        """JSON lines of one attempt."""
        return self.logs(attempt) / "train.log"

    def metrics(self, attempt: int) -> Path:
        """Metrics of one attempt."""
        return self.logs(attempt) / "metrics.jsonl"

    def tensorboard(self, attempt: int) -> Path:
        """TensorBoard events of one attempt."""
        return self.logs(attempt) / "tensorboard"


def open_workspace(workdir: Path, run_id: str, store_uri: str, attempt: int) -> Workspace:
    """The run's folder, made if it is not there, and emptied for a first attempt.

    The store's address is part of its name: the same run id in another store is another run.
    """
    place = hashlib.sha256(store_uri.encode()).hexdigest()[:8]
    workspace = Workspace(workdir / f"{run_id}-{place}", attempt)
    if attempt == 1:
        shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    return workspace


@dataclass(frozen=True)
class RunKeys:
    """Keys below ``output.uri/NAME/`` that belong to one run."""

    run_id: str

    @property
    def prefix(self) -> str:
        """All keys of the run start with it."""
        return f"runs/{self.run_id}/"

    @property
    def job(self) -> str:
        """The resolved spec."""
        return f"{self.prefix}job.json"

    @property
    def status(self) -> str:
        """State, step, heartbeat."""
        return f"{self.prefix}status.json"

    @property
    def lease(self) -> str:
        """Who owns the run."""
        return f"{self.prefix}lease.json"

    @property
    def leases(self) -> str:
        """Prefix of the same, an object an attempt, in stores without conditional writes."""
        return f"{self.prefix}leases/"

    @property
    def publishing(self) -> str:
        """Which attempt may publish, and what it has decided to."""
        return f"{self.prefix}publishing.json"

    @property
    def told(self) -> str:
        """What people were told of the run already."""
        return f"{self.prefix}told.json"

    @property
    def captions(self) -> str:
        """What a captioner made of the pictures without a caption, once all are looked at."""
        return f"{self.prefix}{CAPTIONS}"

    @property
    def checkpoints(self) -> str:
        """Prefix of all checkpoints."""
        return f"{self.prefix}checkpoints/"

    @property
    def all_logs(self) -> str:
        """Prefix of the logs of all attempts."""
        return f"{self.prefix}logs/"

    @property
    def adapter(self) -> str:
        """Prefix where a run that ended without a version leaves its last good weights."""
        return f"{self.prefix}adapter/"

    def logs(self, attempt: int) -> str:
        """Prefix of one attempt's logs."""
        return f"{self.all_logs}attempt-{attempt}/"


def version_prefix(version: str) -> str:
    """Prefix of one version's files."""
    return f"{VERSIONS_PREFIX}{version}/"


def manifest_key(version: str) -> str:
    """A version exists if and only if this object does."""
    return f"{version_prefix(version)}{MANIFEST}"


def reservation_key(version: str) -> str:
    """Who publishes a version."""
    return f"{RESERVATIONS_PREFIX}{version}.json"
