"""The operator's side: environment variables, read here and nowhere else."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from loraruner.errors import EnvironmentUnfit
from loraruner.redact import Redactor

SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "HF_TOKEN")
SHOWN_VARIABLES = (
    "LORARUNER_CACHE",
    "LORARUNER_WORKDIR",
    "LORARUNER_RUN_ID",
    "LORARUNER_TERMINATION_LOG",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "HF_ENDPOINT",
)


@dataclass(frozen=True)
class Settings:
    """What the machine's operator decided, apart from any job."""

    cache: Path
    workdir: Path
    run_id: str | None
    termination_log: Path | None
    hf_endpoint: str
    hf_token: str | None
    secrets: tuple[str, ...]  # values to be struck from logs and error texts


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; folders default to ``$XDG_CACHE_HOME/loraruner`` (``~/.cache/loraruner``)."""
    home = Path(environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/tmp"), ".cache")) / "loraruner"
    termination_log = environment.get("LORARUNER_TERMINATION_LOG")
    return Settings(
        cache=Path(environment.get("LORARUNER_CACHE") or home / "cache").absolute(),
        workdir=Path(environment.get("LORARUNER_WORKDIR") or home / "work").absolute(),
        run_id=environment.get("LORARUNER_RUN_ID") or None,
        termination_log=Path(termination_log) if termination_log else None,
        hf_endpoint=(environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"),
        hf_token=environment.get("HF_TOKEN") or None,
        secrets=tuple(environment[name] for name in SECRET_VARIABLES if len(environment.get(name, "")) >= 8),
    )


def adopt_secret_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set every secret that is given as ``NAME_FILE`` to the file's content, where libraries look for it.

    Raises EnvironmentUnfit (78) when the file cannot be read.
    """
    for name in SECRET_VARIABLES:
        if path := environment.get(f"{name}_FILE"):
            try:
                environment[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise EnvironmentUnfit(f"{name}_FILE: {path} cannot be read ({error}); mount the file there") from error


def shown(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For people: the value of every plain variable that is set, and only "set" for a secret."""
    redact = Redactor(())  # an endpoint may carry a user and password
    plain = {name: redact.text(environment[name]) for name in SHOWN_VARIABLES if environment.get(name)}
    return plain | {name: "set" for name in SECRET_VARIABLES if environment.get(name)}
