"""Commands of other programs: no secret in their arguments, none in what is told of them."""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ci.releasing.settings import Account, OciPlace
from loraruner.errors import EnvironmentUnfit, LoraRunerError, NoPermission, TemporaryFailure

SECRETS = re.compile(r"RELEASE_(TOKEN|USER)|TWINE_|.*(PASSWORD|SECRET)")
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
MAX_REASON_CHARS = 600
# A number alone may be a part of a version or a port.
STATUS = re.compile(
    r"(?:HTTPError|status(?: ?code)?)\W{1,3}(\d{3})\b|\b(\d{3}):? (?:not found|unauthorized|forbidden|too many requests"
    r"|internal server error|bad gateway|service unavailable|gateway time)",
    re.IGNORECASE,
)
UNKNOWN = re.compile(r"(manifest|name)[ _]unknown|not found", re.IGNORECASE)
DENIED = re.compile(r"unauthorized|authentication required|denied|forbidden", re.IGNORECASE)
BUSY = re.compile(r"too ?many ?requests|connection (refused|reset)|i/o timeout|\bEOF\b|ConnectionError", re.IGNORECASE)


class CommandFailed(LoraRunerError):
    """A program ended with an error that is neither a refusal of access nor one that waiting helps."""


class NotThere(CommandFailed):
    """A registry does not have what was asked for."""


class Commands:
    """Runs programs on behalf of an account, whose credentials lie in a file that nobody else can read."""

    def __init__(self, account: Account, folder: Path, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._account, self._folder, self._pause = account, folder, pause
        self.auth_file = folder / "auth.json"

    def know(self, *places: OciPlace) -> None:
        """Write the file by which skopeo and helm log in to the registries of ``places``."""
        pair = base64.b64encode(f"{self._account.user}:{self._account.token}".encode()).decode()
        document = {"auths": {place.host: {"auth": pair} for place in places}}
        descriptor = os.open(self.auth_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)

    def run(self, command: Sequence[str], *, extra: Mapping[str, str] | None = None, as_caller: bool = False) -> str:
        """Its standard output; asked again where that may help. NoPermission, TemporaryFailure, CommandFailed.

        ``as_caller``: with the home and the logins of whoever calls us, not with those of the release.
        """
        ours = {} if as_caller else self._homes()
        for pause_s in (*PAUSES_S, None):
            try:
                return self._once(command, {**without_secrets(os.environ), **ours, **(extra or {})})
            except TemporaryFailure:
                if pause_s is None:
                    raise
                self._pause(pause_s)
        raise AssertionError("the last round returns or raises")

    def _once(self, command: Sequence[str], environment: Mapping[str, str]) -> str:
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, check=False, umask=0o022, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError as error:
            raise missing(command[0]) from error
        # By hand, as Python's text mode changes the ends of lines, and a manifest is known by its bytes.
        out, told = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if done.returncode == 0:
            return out
        reason = self.redacted(told + out).strip()[-MAX_REASON_CHARS:]
        raise fault_in(told + out)(f"{' '.join([Path(command[0]).name, *command[1:3]])}: {reason}")

    def _homes(self) -> dict[str, str]:
        """Folders of our own, so that no login or setting of the caller's account plays a part."""
        names = ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "XDG_CONFIG_HOME")
        folders = {name: str(self._folder / name.lower()) for name in names}
        return {**folders, "HELM_REGISTRY_CONFIG": str(self.auth_file), "REGISTRY_AUTH_FILE": str(self.auth_file)}

    def twine(self) -> dict[str, str]:
        """The variables by which twine logs in."""
        return {
            "TWINE_USERNAME": self._account.user,
            "TWINE_PASSWORD": self._account.token,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }

    def redacted(self, text: str) -> str:
        """Text without the token, plain or as HTTP sends it, and without what a terminal would obey."""
        pair = base64.b64encode(f"{self._account.user}:{self._account.token}".encode()).decode()
        for secret in filter(None, (pair, self._account.token)):
            text = text.replace(secret, "***")
        return re.sub(r"[^\x20-\x7e\n]", "?", text)


@contextmanager
def commands(account: Account, *places: OciPlace) -> Iterator[Commands]:
    """Commands that can log in to ``places``, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        found = Commands(account, Path(folder))
        found.know(*places)
        yield found


def fault_in(text: str) -> type[LoraRunerError]:
    """What kind of failure a program told of."""
    statuses = {int(found[1] or found[2]) for found in STATUS.finditer(text)}
    if statuses & {401, 403} or DENIED.search(text):
        return NoPermission
    if any(status == 429 or status >= 500 for status in statuses) or BUSY.search(text):
        return TemporaryFailure
    return NotThere if 404 in statuses or UNKNOWN.search(text) else CommandFailed


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that needs no credentials of ours."""
    return {name: value for name, value in environment.items() if not SECRETS.match(name)}


def helm() -> str:
    """The one that ``HELM`` names, or that ``make setup-tools`` put beside Python; EnvironmentUnfit without it."""
    found = Path(os.environ.get("HELM") or Path(sys.prefix, "tools/helm"))
    if not found.is_file():
        raise missing(str(found))
    return str(found)


def missing(program: str) -> EnvironmentUnfit:
    """A program that this machine lacks."""
    return EnvironmentUnfit(f"{Path(program).name} is not on this machine: run make setup-tools and ci/setup-system")
