"""Everything that a release consists of, made in ``dist/release/X.Y.Z`` and kept there for the next run."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ci.releasing import charts, images, notes, packages
from ci.releasing.commands import Commands
from ci.releasing.digests import of_bytes, sha256
from ci.releasing.images import Image
from ci.releasing.registry import Registry
from ci.releasing.steps import Say
from ci.releasing.tree import Tree, export
from loraruner.errors import DataInvalid, VersionConflict

MADE, RECORD, SUMS = "made.json", "release.json", "SHA256SUMS"
MAKING = ".making-"


@dataclass(frozen=True)
class Order:
    """Which images are wanted: target -> a ready-made one, or nothing for one that ci/image makes; from which base."""

    images: Mapping[str, str]
    base: str
    address: str  # of the image in the chart's values


@dataclass(frozen=True)
class Artefacts:
    """The files of a release. ``notes`` are the generic ones, the checksums last."""

    packages: list[Path]
    images: list[Image]
    chart: Path
    notes: list[Path]


class Workshop:
    """Makes the artefacts of one commit."""

    def __init__(self, tree: Tree, order: Order, commands: Commands, registry: Registry, say: Say) -> None:
        self._tree, self._order, self._commands, self._registry, self._say = tree, order, commands, registry, say
        self.folder = tree.root / "dist/release" / tree.version

    def artefacts(self) -> Artefacts:
        """Those of an earlier run for the same order, where their digests still hold; otherwise new ones."""
        made_for = self._made_for()
        if not self._is_kept(made_for):
            for left in self.folder.parent.glob(f"{MAKING}*"):  # by a run that was killed, as only one is at work here
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=MAKING) as folder:
                result = self._make(Path(folder), made_for)
                shutil.rmtree(self.folder, ignore_errors=True)
                os.replace(result, self.folder)
            self._say(f"made twice and equal: wheel, sdist and chart, in {self.folder.relative_to(self._tree.root)}")
        else:
            self._say(f"made already: {self.folder.relative_to(self._tree.root)}")
        return self._read()

    def _made_for(self) -> dict[str, Any]:
        sources = {}
        for target, given in self._order.images.items():
            sources[target] = self._order.base
            if given:
                raw = self._commands.run(["skopeo", "inspect", "--raw", images.reference(given)], as_caller=True)
                sources[target] = of_bytes(raw.encode()).sha256
        return {"revision": self._tree.revision, "images": sources, "address": self._order.address}

    def _is_kept(self, made_for: Mapping[str, Any]) -> bool:
        try:
            made = json.loads((self.folder / MADE).read_text(encoding="utf-8"))
            return bool(made["for"] == made_for) and all(
                sha256(self.folder / name) == digest for name, digest in made["files"].items()
            )
        except (OSError, ValueError, KeyError):
            return False

    def _make(self, scratch: Path, made_for: Mapping[str, Any]) -> Path:
        tree, result = self._tree, scratch / "result"
        result.mkdir()
        sources = [export(tree, scratch / f"source-{age_s}", later_s=age_s) for age_s in packages.AGES_S]
        chart_version, app_version = charts.versions(sources[0])
        if app_version != tree.version:
            raise DataInvalid(
                f"the chart is for {app_version} and this is {tree.version}: set appVersion in Chart.yaml"
            )
        outputs = [scratch / f"{source.name}-dist" for source in sources]
        with ThreadPoolExecutor() as threads:  # two processes, most of a minute each
            build = partial(packages.build, epoch_s=tree.epoch_s, environment=dict(os.environ))
            built = list(threads.map(build, sources, outputs))
        packages.require_equal(*built)
        kept = [Path(shutil.copy(path, result)) for path in built[0]]
        for target, given in self._order.images.items():
            self._image(target, given, kept[0], result)
        found = self._images(result)
        image = (self._order.address, main_image(found).digest)
        packed = [charts.build(source, scratch / f"{source.name}-chart", tree.epoch_s, image) for source in sources]
        packages.require_equal(packed[:1], packed[1:])
        kept.append(Path(shutil.copy(packed[0], result)))
        self._write_notes(result, kept, {"version": chart_version, "file": packed[0].name})
        files = sorted(path for path in result.iterdir() if path.is_file())
        made = {"for": made_for, "files": {path.name: sha256(path) for path in files}}
        (result / MADE).write_text(notes.pretty(made), encoding="utf-8")
        return result

    def _image(self, target: str, given: str, wheel: Path, result: Path) -> None:
        """Make or fetch one image; one that the registry has from this very commit is not made again."""
        layout, name = result / f"image-{target}", f":{images.tag(self._tree.version, target)}"
        there = b"" if given else self._registry.manifest(name)
        if there:
            revision = self._registry.revision(name)
            if revision != self._tree.revision:
                digest = Image(target, "", there, None).digest
                raise VersionConflict(
                    f"image {self._registry.place}{name} is there with {digest}, made from "
                    f"{revision or 'no commit that it names'}, and this is {self._tree.revision}: raise the version"
                )
            self._say(f"not made again: image {self._registry.place}{name} is there and was made from this commit")
            manifest = there
        else:
            if given:
                images.fetch(self._commands, images.reference(given), layout)
                images.require_made_from(self._commands, self._tree, given, layout)
            else:
                images.build(self._tree, target, wheel, layout)
            manifest = images.read(target, self._tree.version, layout).manifest
        (result / f"image-{target}.manifest.json").write_bytes(manifest)

    def _images(self, folder: Path) -> list[Image]:
        found = []
        for target in self._order.images:
            layout = folder / f"image-{target}"
            manifest = (folder / f"image-{target}.manifest.json").read_bytes()
            tag = images.tag(self._tree.version, target)
            found.append(Image(target, tag, manifest, layout if layout.is_dir() else None))
        return found

    def _write_notes(self, folder: Path, files: list[Path], chart: dict[str, str]) -> None:
        version, written = self._tree.version, []
        for target in self._order.images:
            locked = notes.pins(self._tree.root, target)
            if locked:
                texts = {
                    f"requirements-{target}.lock": notes.requirements(version, files[:2], locked),
                    f"loraruner-{version}-{target}.sbom.json": notes.pretty(notes.bill_of_materials(version, locked)),
                }
                written += [_write(folder / name, text) for name, text in texts.items()]
        record = {
            "name": "loraruner",
            "version": version,
            "revision": self._tree.revision,
            "packages": [path.name for path in files[:2]],
            "images": {image.target: {"tag": image.tag, "digest": image.digest} for image in self._images(folder)},
            "image_address": self._order.address,
            "chart": chart,
            "files": sorted([*(path.name for path in written), RECORD, SUMS]),
        }
        written.append(_write(folder / RECORD, notes.pretty(record)))
        _write(folder / SUMS, notes.checksums([*files, *written]))

    def _read(self) -> Artefacts:
        record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        # The checksums come last: who sees them finds the rest.
        names = [*(name for name in record["files"] if name != SUMS), SUMS]
        return Artefacts(
            packages=[self.folder / name for name in record["packages"]],
            images=self._images(self.folder),
            chart=self.folder / record["chart"]["file"],
            notes=[self.folder / name for name in names],
        )


def main_image(found: list[Image]) -> Image:
    """The image that the chart runs: the one with CUDA, where there is one."""
    return max(found, key=lambda image: image.target == "runtime")


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
