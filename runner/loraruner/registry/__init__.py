"""What has been published: found, listed, judged, fetched and verified. All that is read is hostile until checked."""

from loraruner.registry.catalogue import list_versions, show_version
from loraruner.registry.content import VersionDamaged, download_version, verify_version
from loraruner.registry.document import validate_manifest
from loraruner.registry.find import VersionRef, find_version, spec_of

__all__ = [
    "VersionDamaged",
    "VersionRef",
    "download_version",
    "find_version",
    "list_versions",
    "show_version",
    "spec_of",
    "validate_manifest",
    "verify_version",
]
