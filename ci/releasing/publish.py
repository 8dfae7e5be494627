"""A release: wheel and sdist, then images, then the chart that names them, then files, then the build."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ci.releasing import build_info, notes, servers
from ci.releasing.artefacts import Artefacts, Order, Workshop
from ci.releasing.build_info import Module, Placed
from ci.releasing.commands import commands
from ci.releasing.digests import of_bytes, of_file, sha256
from ci.releasing.servers import Servers
from ci.releasing.settings import Settings
from ci.releasing.steps import Say, Step, require_there, settle
from ci.releasing.tree import Tree
from loraruner.errors import VersionConflict


def release(tree: Tree, settings: Settings, wanted: Mapping[str, str], base: str, say: Say, *, only_look: bool) -> int:
    """Publish the commit of ``tree``; how many things were sent, or would be.

    ``wanted`` maps the target of each image to a ready-made one, or to nothing. VersionConflict: something of this
    version is published with other bytes, and nothing was sent.
    """
    places = settings.candidate
    with commands(settings.account, places.images, places.charts) as runner:
        there = servers.opened(settings, places, runner, servers.client(settings))
        order = Order(wanted, base, settings.image_address or str(places.images))
        made = Workshop(tree, order, runner, there.images, say).artefacts()
        steps = uploads(tree, settings, made, there)
        sent = settle(steps, say, only_look=only_look, before=partial(require_own_build, tree, settings, made, there))
        if only_look:
            return sent
        if sent:
            require_there(steps)
        return sent + settle(ties(tree, settings, made, there, say), say)


def require_own_build(tree: Tree, settings: Settings, made: Artefacts, there: Servers) -> None:
    """VersionConflict where the build of this version made other things, before anything is sent beside it."""
    found = there.files.build(settings.build_name, tree.version)
    if not found:
        return
    # Of the chart it lists the manifest, which helm writes when it pushes: that is compared at the end.
    kinds = [module for module in found.get("modules", []) if module.get("type") != "helm"]
    listed = {(file.get("name"), file.get("sha256")) for module in kinds for file in module.get("artifacts", [])}
    ours = {(path.name, sha256(path)) for path in (*made.packages, *made.notes)}
    ours |= {("manifest.json", image.digest.partition(":")[2]) for image in made.images}
    if listed != ours:
        names = ", ".join(sorted({str(name) for name, _ in listed ^ ours}))
        raise VersionConflict(
            f"nothing was sent, as build {settings.build_name}/{tree.version} is there and made other bytes of: {names}"
        )


def uploads(tree: Tree, settings: Settings, made: Artefacts, there: Servers) -> list[Step]:
    """What has to be sent, in the order in which one thing needs the one before it."""
    steps = [
        Step(
            f"package {path.name}", digest(path), partial(there.index.look, path.name), partial(there.index.send, path)
        )
        for path in made.packages
    ]
    for image in made.images:
        name = f":{image.tag}"
        send = partial(there.images.push_layout, image.layout, name)
        steps.append(Step(f"image {there.images.place}{name}", image.digest, partial(there.images.digest, name), send))
    name = f":{chart_version(made.chart)}"
    send = partial(there.charts.push_chart, made.chart)
    steps.append(Step(f"chart {there.charts.place}{name}", digest(made.chart), partial(there.charts.chart, name), send))
    tied = build_info.properties(tree, settings.build_name)
    for file in made.notes:
        path = generic_path(tree.version, file.name)
        look = partial(there.files.stat, there.generic, path)
        send = partial(there.files.deploy, there.generic, path, file, tied)
        steps.append(Step(f"file {there.generic}/{path}", digest(file), look, send))
    return steps


def ties(tree: Tree, settings: Settings, made: Artefacts, there: Servers, say: Say) -> list[Step]:
    """Properties that tie packages, images and chart to the build, and last the build itself."""
    found = modules(tree, settings, made, there)
    tied, steps = build_info.properties(tree, settings.build_name), []
    for file in (file for module in found for file in module.files):
        if not file.repository:
            say(f"not on this Artifactory, so without properties: {file.kind} {file.name}")
        elif file.kind != "file":  # those have them since they were sent
            look = partial(_tied, there, file, tuple(tied))
            send = partial(there.files.set_properties, file.repository, file.path, tied)
            steps.append(Step(f"properties of {file.repository}/{file.path}", "; ".join(tied.values()), look, send))
    document = build_info.document(tree, settings.build_name, found)

    def published() -> str:
        return build_info.identity(there.files.build(settings.build_name, tree.version))

    title, send = f"build {settings.build_name}/{tree.version}", partial(there.files.put_build, document)
    return [*steps, Step(title, build_info.identity(document), published, send)]


def _tied(there: Servers, file: Placed, names: tuple[str, ...]) -> str:
    found = there.files.properties(file.repository, file.path)
    return "; ".join(found.get(name, "") for name in names) if any(name in found for name in names) else ""


def modules(tree: Tree, settings: Settings, made: Artefacts, there: Servers) -> list[Module]:
    """The release as modules of a build."""
    identity, server = f"loraruner:{tree.version}", settings.artifactory
    python = build_info.pypi_key(settings.candidate.pypi, server)
    packages = [
        Placed(path.name, path.name.rpartition(".")[2], python, f"loraruner/{tree.version}/{path.name}", of_file(path))
        for path in made.packages
    ]
    found = [Module(identity, "pypi", packages, notes.pins(tree.root, "cpu"))]
    key, path = build_info.oci_key(there.images.place, server)
    for image in made.images:
        place = Placed("manifest.json", "docker", key, f"{path}/{image.tag}/manifest.json", of_bytes(image.manifest))
        found.append(Module(f"loraruner:{image.tag}", "docker", [place], notes.pins(tree.root, image.target)))
    key, path = build_info.oci_key(there.charts.place, server)
    version = chart_version(made.chart)
    manifest = of_bytes(there.charts.manifest(f":{version}"))
    place = Placed("manifest.json", "helm", key, f"{path}/{version}/manifest.json", manifest)
    found.append(Module(f"loraruner-chart:{version}", "helm", [place], []))
    files = [
        Placed(file.name, "file", there.generic, generic_path(tree.version, file.name), of_file(file))
        for file in made.notes
    ]
    return [*found, Module(f"loraruner-files:{tree.version}", "generic", files, [])]


def generic_path(version: str, name: str) -> str:
    """Where a file of a release lies in its generic repository."""
    return f"loraruner/{version}/{name}"


def chart_version(archive: Path) -> str:
    """The version in the name of a chart's archive."""
    return archive.name.removeprefix(f"{servers.CHART_NAME}-").removesuffix(".tgz")


def digest(path: Path) -> str:
    """A file's digest as steps compare it."""
    return f"sha256:{sha256(path)}"
