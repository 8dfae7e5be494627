"""The operator's side: environment variables, read here and nowhere else."""

import math
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from loraruner.errors import EnvironmentUnfit
from loraruner.redact import MIN_CHARACTERS, Redactor

SECRET_VARIABLES = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "HF_TOKEN"),
    *("CLICKUP_TOKEN", "SMARTSHEET_TOKEN", "LORARUNER_WEBHOOK_SECRET", "LORARUNER_WEBHOOK_URL"),
)
MAX_SECRET_BYTES = 64 << 10  # of a file that holds one
SHOWN_VARIABLES = (
    "LORARUNER_CACHE",
    "LORARUNER_WORKDIR",
    "LORARUNER_RUN_ID",
    "LORARUNER_TERMINATION_LOG",
    "LORARUNER_ALLOWED_PREFIXES",
    "LORARUNER_ALLOWED_HOSTS",
    "LORARUNER_REQUIRE_DIGESTS",
    "LORARUNER_LEASE_S",
    "LORARUNER_MAX_ATTEMPTS",
    "LORARUNER_PUSHGATEWAY",
    "LORARUNER_METRICS_DIR",
    "LORARUNER_IMAGE",
    "LORARUNER_REVISION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "HF_ENDPOINT",
    "CLICKUP_API_URL",
    "SMARTSHEET_API_URL",
)


# Addresses that may hold a user and a password.
URL_VARIABLES = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"),
    *("HF_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "LORARUNER_PUSHGATEWAY"),
    *("CLICKUP_API_URL", "SMARTSHEET_API_URL", "LORARUNER_WEBHOOK_URL"),
)
LEASE_S = 60.0
MAX_ATTEMPTS = 20
MOST = 10**6 - 1  # of either
# What can never match anything is a slip, and a rule that is silently no rule is the worst answer to one.
PREFIX = re.compile(r"(s3|file|https|hf|clickup)://.*|(?![\w+.-]+:).+", re.IGNORECASE)
HOST = re.compile(r"(\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-f:.]+\])(:\d{1,5})?|[0-9a-f]*:[0-9a-f.]*:[0-9a-f:.]*")
WEB = re.compile(r"https?://[^/\s]+(/\S*)?", re.IGNORECASE)
IMAGE = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")


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
    allowed_prefixes: tuple[str, ...]  # stores that a job may touch; empty: all
    allowed_hosts: tuple[str, ...]  # hosts that may be asked although their address is not a public one
    require_digests: bool  # whether a job must name the SHA-256 of its base
    lease_s: float  # how long an attempt owns its run without renewing
    max_attempts: int  # attempts that one run may use
    pushgateway: str | None  # address of a Prometheus Pushgateway that gets the metrics of runs
    metrics_dir: Path | None  # where the same is written for a node exporter
    clickup_token: str | None
    clickup_api: str  # base address of ClickUp's API
    smartsheet_token: str | None
    smartsheet_api: str  # base address of Smartsheet's API
    webhook_url: str | None  # where events go that name no address
    webhook_secret: str | None  # signs the events
    image: str | None  # the container image that this process runs in, REPOSITORY@sha256:...
    revision: str | None  # the revision of the source that the image was built from


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; folders default to ``$XDG_CACHE_HOME/loraruner`` (``~/.cache/loraruner``)."""
    home = Path(environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/tmp"), ".cache")) / "loraruner"
    return Settings(
        cache=Path(environment.get("LORARUNER_CACHE") or home / "cache").absolute(),
        workdir=Path(environment.get("LORARUNER_WORKDIR") or home / "work").absolute(),
        run_id=environment.get("LORARUNER_RUN_ID") or None,
        termination_log=termination_log(environment),
        hf_endpoint=(environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"),
        hf_token=environment.get("HF_TOKEN") or None,
        secrets=secrets(environment),
        allowed_prefixes=_listed(environment, "LORARUNER_ALLOWED_PREFIXES", PREFIX, "s3://BUCKET/KEY, hf://, /folder"),
        allowed_hosts=tuple(
            map(str.lower, _listed(environment, "LORARUNER_ALLOWED_HOSTS", HOST, "host, host:port, .suffix"))
        ),
        require_digests=_switch(environment, "LORARUNER_REQUIRE_DIGESTS"),
        lease_s=_number(environment, "LORARUNER_LEASE_S", LEASE_S),
        max_attempts=int(_number(environment, "LORARUNER_MAX_ATTEMPTS", MAX_ATTEMPTS, whole=True)),
        pushgateway=_formed(environment, "LORARUNER_PUSHGATEWAY", WEB, "http://HOST:9091"),
        metrics_dir=Path(path) if (path := environment.get("LORARUNER_METRICS_DIR")) else None,
        clickup_token=environment.get("CLICKUP_TOKEN") or None,
        clickup_api=_api(environment, "CLICKUP_API_URL", "https://api.clickup.com/api"),
        smartsheet_token=environment.get("SMARTSHEET_TOKEN") or None,
        smartsheet_api=_api(environment, "SMARTSHEET_API_URL", "https://api.smartsheet.com/2.0"),
        webhook_url=_formed(environment, "LORARUNER_WEBHOOK_URL", WEB, "https://HOST/PATH"),
        webhook_secret=environment.get("LORARUNER_WEBHOOK_SECRET") or None,
        image=_formed(environment, "LORARUNER_IMAGE", IMAGE, "REPOSITORY@sha256: and 64 hex digits"),
        revision=environment.get("LORARUNER_REVISION") or None,
    )


def termination_log(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file of the last line; raises nothing, so that also a fault of the settings is noted there."""
    path = environment.get("LORARUNER_TERMINATION_LOG")
    return Path(path) if path else None


def secrets(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The values that must never be shown, passwords in addresses too; short ones would strike half of every text.

    Raises nothing: errors are printed with it.
    """
    values = [environment.get(name, "") for name in SECRET_VARIABLES]
    for name in URL_VARIABLES:
        login = environment.get(name, "").rpartition("@")[0]
        user, _, password = (login.partition("://")[2] or login).partition(":")
        values += [password, unquote(password), unquote(user) if not password else ""]
    return tuple(dict.fromkeys(value for value in values if len(value) >= MIN_CHARACTERS))


def _listed(environment: Mapping[str, str], name: str, form: re.Pattern[str], examples: str) -> tuple[str, ...]:
    """Entries between commas or spaces; a list that is set has some."""
    text = environment.get(name, "")
    entries = tuple(text.replace(",", " ").split())
    if text and not entries:
        raise EnvironmentUnfit(f"{name}: {text!r} is a list without an entry; give some ({examples}) or unset it")
    for entry in entries:
        if not form.fullmatch(entry.lower()):
            raise EnvironmentUnfit(f"{name}: {entry!r} is none of the forms {examples}; correct it")
    return entries


def _formed(environment: Mapping[str, str], name: str, form: re.Pattern[str], example: str) -> str | None:
    value = environment.get(name) or None
    if value and not form.fullmatch(value):
        shown_value = Redactor(secrets(environment)).text(value)
        raise EnvironmentUnfit(f"{name}: {shown_value!r} does not have the form {example}; correct it or unset it")
    return value


def _api(environment: Mapping[str, str], name: str, default: str) -> str:
    return (_formed(environment, name, WEB, default) or default).rstrip("/")


def _switch(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "").lower()
    if value not in ("", "0", "false", "no", "1", "true", "yes"):
        raise EnvironmentUnfit(f"{name}: {value!r} is neither yes nor no; set it to 1 or 0")
    return value in ("1", "true", "yes")


def _number(environment: Mapping[str, str], name: str, default: float, *, whole: bool = False) -> float:
    value = environment.get(name) or str(default)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 1 <= number <= MOST or (whole and number % 1):
        kind = "whole number" if whole else "number"
        raise EnvironmentUnfit(f"{name}: {value!r} is no {kind} from 1 to {MOST}; correct it or unset it")
    return number


def adopt_secret_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set every secret that is given as ``NAME_FILE`` to the file's content, where libraries look for it.

    Raises EnvironmentUnfit (78) when the file cannot be read.
    """
    for name in SECRET_VARIABLES:
        if path := environment.get(f"{name}_FILE"):
            try:
                with Path(path).open("rb") as stream:
                    environment[name] = stream.read(MAX_SECRET_BYTES).decode().strip()
            except (
                OSError,
                ValueError,
            ) as error:  # ValueError: no UTF-8, or a NUL, and its text would show the content
                reason = error.strerror if isinstance(error, OSError) else "it holds no text"
                raise EnvironmentUnfit(f"{name}_FILE: {path} cannot be read ({reason}); mount the file there") from None


def shown(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For people: the value of every plain variable that is set, and only "set" for a secret."""
    redact = Redactor(())  # an endpoint may carry a user and password
    plain = {name: redact.text(environment[name]) for name in SHOWN_VARIABLES if environment.get(name)}
    return plain | {name: "set" for name in SECRET_VARIABLES if environment.get(name)}
