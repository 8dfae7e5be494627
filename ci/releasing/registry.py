"""OCI registries: tags resolved before anything is pushed, as a second push would silently win."""

import hashlib
import json
from pathlib import Path

from ci.releasing.commands import Commands, NotThere, helm
from ci.releasing.images import NO_POLICY, revision_of
from ci.releasing.settings import OciPlace
from loraruner.errors import InputMissing

CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Registry:
    """One place in a registry, asked and filled by skopeo and helm."""

    def __init__(self, commands: Commands, place: OciPlace) -> None:
        self._commands, self.place = commands, place

    def manifest(self, name: str) -> bytes:
        """The manifest at ``:TAG`` or ``@DIGEST``; nothing where there is none."""
        try:
            return self._inspect(name, "--raw").encode()
        except NotThere:
            return b""

    def _inspect(self, name: str, *options: str) -> str:
        flags = [*options, f"--tls-verify={str(not self.place.is_plain).lower()}"]
        return self._commands.run(["skopeo", "inspect", *flags, f"docker://{self.place}{name}"])

    def digest(self, name: str) -> str:
        """The digest behind a tag; nothing where there is none."""
        return digest_of(self.manifest(name))

    def revision(self, name: str) -> str:
        """The commit that an image says it was made from."""
        return revision_of(self._inspect(name, "--config"))

    def push_layout(self, layout: Path | None, name: str) -> None:
        """Push the image of a layout as it is; InputMissing where there is none, as an earlier run found it here."""
        if layout is None:
            raise InputMissing(f"image {self.place}{name} has gone since it was found: remove dist/release, and again")
        self._copy(f"oci:{layout}", f"docker://{self.place}{name}", ["--preserve-digests", *self._at("dest")])

    def copy_from(self, source: "Registry", digest: str, name: str) -> None:
        """Copy what another place has under a digest, unchanged."""
        flags = ["--preserve-digests", *source._at("src"), *self._at("dest")]
        try:
            self._copy(f"docker://{source.place}@{digest}", f"docker://{self.place}{name}", flags)
        except NotThere as error:
            raise InputMissing(
                f"{source.place}@{digest} or the repository {self.place} is not there: {error}"
            ) from error

    def _copy(self, source: str, target: str, flags: list[str]) -> None:
        self._commands.run(["skopeo", NO_POLICY, "copy", "--quiet", *flags, source, target])

    def _at(self, side: str) -> list[str]:
        return [f"--{side}-tls-verify={str(not self.place.is_plain).lower()}"]

    def chart(self, name: str) -> str:
        """The digest of a chart's archive behind a tag: of the manifest where it is no chart, or nothing."""
        manifest = self.manifest(name)
        if not manifest:
            return ""
        layers = json.loads(manifest).get("layers") or []
        archives = [each["digest"] for each in layers if each["mediaType"] == CHART_LAYER]
        return str(archives[0]) if len(archives) == 1 else digest_of(manifest)

    def push_chart(self, archive: Path) -> None:
        """Push a chart; its tag is its version."""
        folder = OciPlace(self.place.host, self.place.path.rpartition("/")[0], self.place.is_plain)
        plain = ["--plain-http"] if self.place.is_plain else []
        self._commands.run([helm(), "push", str(archive), f"oci://{folder}", *plain])


def digest_of(manifest: bytes) -> str:
    """The digest of a manifest; nothing for none."""
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}" if manifest else ""
