"""The base model that a published version was trained on, on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loraruner.errors import DataInvalid

if TYPE_CHECKING:
    from loraruner.families.base import Base
    from loraruner.registry import VersionRef
    from loraruner.settings import Settings


def fetch_base(found: VersionRef, uri: str | None, environment: Settings) -> Base:
    """The base at ``uri``, by default at the address in the manifest.

    Raises DataInvalid (65) when it is another one than the manifest's, and what fetching raises.
    """
    from loraruner import stage
    from loraruner.families.base import Base

    recorded = found.manifest["base_model"]
    uri = uri or recorded["uri"]
    fetched = stage.fetch_one(stage.list_input("base model", uri, environment), environment)
    if fetched.sha256 != recorded["sha256"]:
        raise DataInvalid(
            f"{uri}: this is not the base that {found.uri} was trained on (SHA-256 {fetched.sha256} instead of "
            f"{recorded['sha256']}); name the right one with --base"
        )
    return Base(fetched.path, fetched.sha256, uri)
