"""What pip needs within the build of an image to find packages as it does on this machine."""

import ast
import configparser
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Stands in every pip.conf that a build is given: a test looks for it in all layers and in the history of the image.
MARK = "handed in for one build alone: 5c0f3be1d2a94e67"
CA_IN_BUILD = "/run/secrets/ca"  # docker/Dockerfile mounts the secret `ca` there
# What says where packages come from; everything else is decided by docker/install-locked.
KEPT = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "timeout", "retries")
ALIASES = {"default-timeout": "timeout"}
CERTIFICATE = "cert"


@dataclass(frozen=True)
class PipSettings:
    """What a build is handed."""

    secrets: dict[str, Path]  # id of the build secret -> file
    folders: tuple[Path, ...]  # to be seen within the build at the same place


def pip_settings(environment: Mapping[str, str], folder: Path) -> PipSettings:
    """Write the secrets of a build below ``folder``, from PIP_CONF where it is set, else from pip's own configuration.

    Raises OSError when PIP_CONF cannot be read.
    """
    options = read_file(Path(environment["PIP_CONF"])) if environment.get("PIP_CONF") else read_pip()
    certificate = options.pop(CERTIFICATE, "") or environment.get("PIP_CERT", "")
    folder.mkdir(mode=0o700)
    secrets = {"pipconf": folder / "pip.conf"}
    if certificate:
        secrets["ca"] = Path(certificate)
        options[CERTIFICATE] = CA_IN_BUILD
    text = "".join(f"{key} = {value}\n" for key, value in sorted(options.items()))
    descriptor = os.open(secrets["pipconf"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f"# {MARK}\n[global]\n{text}")
    return PipSettings(secrets, local_folders(options))


def read_file(path: Path) -> dict[str, str]:
    """The options of a pip.conf: what ``install`` says before what ``global`` says."""
    parser = configparser.RawConfigParser()
    with path.open(encoding="utf-8") as stream:
        parser.read_file(stream)
    sections = [dict(parser[name]) for name in ("global", "install") if parser.has_section(name)]
    return kept({key: value for section in sections for key, value in section.items()})


def read_pip() -> dict[str, str]:
    """The options that pip itself goes by on this machine: files, then PIP_* variables."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return parse_listing(lines)


def parse_listing(lines: list[str]) -> dict[str, str]:
    """The lines of ``pip config list``, SECTION.KEY='VALUE', as options."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in lines:
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in found:
            found[section][key] = str(ast.literal_eval(value))
    return kept({key: value for options in found.values() for key, value in options.items()})


def kept(options: Mapping[str, str]) -> dict[str, str]:
    """The options that a build needs, each value in one line."""
    named = {ALIASES.get(key, key): " ".join(value.split()) for key, value in options.items()}
    return {key: value for key, value in named.items() if key in (*KEPT, CERTIFICATE) and value}


def local_folders(options: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of this machine that the options name: find-links, and file:// addresses of indexes.

    An index in a folder points to files beside it, so the folder above is what must be seen.
    """
    places: set[Path] = set()
    for key in ("index-url", "extra-index-url", "find-links"):
        for address in options.get(key, "").split():
            parts = urlsplit(address)
            if parts.scheme == "file":
                path = Path(unquote(parts.path))
                places.add(path if key == "find-links" else path.parent)
            elif address.startswith("/"):
                places.add(Path(address))
    return tuple(sorted(place for place in places if place.is_dir()))
