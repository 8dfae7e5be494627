"""A promotion: what was released as a candidate, unchanged, in the repositories of releases."""

import json
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ci.releasing import servers
from ci.releasing.artefacts import RECORD, SUMS
from ci.releasing.commands import commands
from ci.releasing.digests import of_bytes
from ci.releasing.notes import of_checksums
from ci.releasing.publish import generic_path
from ci.releasing.servers import Servers
from ci.releasing.settings import Repositories, Settings
from ci.releasing.steps import Say, Step, settle
from ci.releasing.tree import Tree
from loraruner.errors import DataInvalid, InputMissing, IntegrityError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class Candidate(NamedTuple):
    """What a release says of itself: its record, and the SHA-256 of each file."""

    record: dict[str, Any]
    sha256: dict[str, str]


def promote(tree: Tree, settings: Settings, target: Repositories, say: Say, *, only_look: bool) -> int:
    """Promote the version of ``tree``; how many things were sent, or would be. The build is marked last."""
    source = settings.candidate
    places = (source.images, source.charts, target.images, target.charts)
    with commands(settings.account, *places) as runner, tempfile.TemporaryDirectory(prefix="promotion-") as folder:
        web = servers.client(settings)
        candidates = servers.opened(settings, source, runner, web)
        releases = servers.opened(settings, target, runner, web)
        candidate = read(tree, candidates)
        if not candidates.files.build(settings.build_name, tree.version):
            raise InputMissing(f"build {settings.build_name}/{tree.version} is not there: finish ci/release first")
        if candidate.record.get("image_address") == str(source.images) != str(target.images):
            say(f"the chart names {source.images}, which its users have to be able to read (RELEASE_IMAGE_ADDRESS)")
        steps = [
            *_packages(candidate, candidates, releases, Path(folder)),
            *_images(candidate, candidates, releases),
            _chart(candidate, candidates, releases),
            *_files(tree, settings, candidate, candidates, releases),
        ]
        return settle(steps, say, only_look=only_look)


def read(tree: Tree, candidates: Servers) -> Candidate:
    """The record and checksums of the candidate; DataInvalid where it was made from another commit."""
    texts = {
        name: candidates.files.fetch(candidates.generic, generic_path(tree.version, name)) for name in (RECORD, SUMS)
    }
    sums = of_checksums(texts[SUMS].decode("utf-8"))
    _require(RECORD, texts[RECORD], sums.get(RECORD, ""))
    try:
        record = json.loads(texts[RECORD])
        if record["revision"] != tree.revision:
            raise DataInvalid(f"the candidate is from {record['revision']} and HEAD is {tree.revision}: check it out")
        names = [*record["packages"], *record["files"], record["chart"]["file"]]
        tags = [record["chart"]["version"], *(image["tag"] for image in record["images"].values())]
        unfit = [name for name in (*names, *tags) if not FILE_NAME.fullmatch(name)]
        unfit += [image["digest"] for image in record["images"].values() if not DIGEST.fullmatch(image["digest"])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataInvalid(f"{RECORD} of the candidate is no record of a release ({error!r}): do not use it") from error
    if unfit:
        raise DataInvalid(
            f"{RECORD} of the candidate names {unfit[0]!r}, which is no name of a file, tag or digest: do not use it"
        )
    unknown = [name for name in names if name not in (*sums, SUMS)]
    if unknown:
        raise IntegrityError(f"{SUMS} of the candidate does not know {unknown[0]}: do not use it")
    return Candidate(record, {**sums, SUMS: of_bytes(texts[SUMS]).sha256})


def _packages(candidate: Candidate, source: Servers, target: Servers, folder: Path) -> list[Step]:
    def send(name: str) -> None:
        data = source.index.fetch(name)
        _require(name, data, candidate.sha256[name])
        (folder / name).write_bytes(data)
        target.index.send(folder / name)

    return [
        Step(
            f"package {name}", f"sha256:{candidate.sha256[name]}", partial(target.index.look, name), partial(send, name)
        )
        for name in candidate.record["packages"]
    ]


def _images(candidate: Candidate, source: Servers, target: Servers) -> list[Step]:
    steps = []
    for each in candidate.record["images"].values():
        name, digest = f":{each['tag']}", each["digest"]
        send = partial(target.images.copy_from, source.images, digest, name)
        steps.append(Step(f"image {target.images.place}{name}", digest, partial(target.images.digest, name), send))
    return steps


def _chart(candidate: Candidate, source: Servers, target: Servers) -> Step:
    chart = candidate.record["chart"]
    name, digest = f":{chart['version']}", f"sha256:{candidate.sha256[chart['file']]}"

    def send() -> None:
        there = source.charts.chart(name)
        if not there:
            raise InputMissing(f"chart {source.charts.place}{name} is not there: finish ci/release first")
        if there != digest:
            raise IntegrityError(f"chart {source.charts.place}{name} is not the one of {SUMS}: release it anew")
        target.charts.copy_from(source.charts, source.charts.digest(name), name)

    return Step(f"chart {target.charts.place}{name}", digest, partial(target.charts.chart, name), send)


def _files(tree: Tree, settings: Settings, candidate: Candidate, source: Servers, target: Servers) -> list[Step]:
    """The generic files, which the server copies all at once when the first is found missing."""
    request = {
        "status": "released",
        "comment": f"v{tree.version}, {tree.revision}",
        "sourceRepo": source.generic,
        "targetRepo": target.generic,
        "copy": True,
        "artifacts": True,
        "dependencies": False,
        "failFast": True,
        "dryRun": False,
    }
    done: list[str] = []

    def send() -> None:
        if not done:
            source.files.promote(settings.build_name, tree.version, request)
            done.append("promoted")

    return [
        Step(
            f"file {target.generic}/{generic_path(tree.version, name)}",
            f"sha256:{candidate.sha256[name]}",
            partial(target.files.stat, target.generic, generic_path(tree.version, name)),
            send,
        )
        for name in sorted(candidate.record["files"], key=lambda name: (name == SUMS, name))
    ]


def _require(name: str, data: bytes, digest: str) -> None:
    found = of_bytes(data).sha256
    if found != digest:
        raise IntegrityError(f"{name} of the candidate is {found} and {SUMS} says {digest or 'nothing'}: do not use it")
