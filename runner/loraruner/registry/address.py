"""Addresses of versions as people write them: OUTPUT/NAME, OUTPUT/NAME/versions/3, OUTPUT/NAME@3, NAME@released."""

from dataclasses import dataclass

from loraruner.errors import InputMissing, SpecInvalid
from loraruner.registry.events import list_lives
from loraruner.registry.find import IN_NAME, VERSION, VersionRef, find_version, latest
from loraruner.registry.life import RELEASED
from loraruner.settings import Settings
from loraruner.stores import open_store, scheme_of
from loraruner.stores.keys import join
from loraruner.workspace import MANIFEST, VERSIONS_PREFIX


@dataclass(frozen=True)
class Place:
    """Where a version lies: ``root`` is the address of its NAME's folder, ``output`` of the folder around that."""

    root: str
    version: str

    @property
    def output(self) -> str | None:
        """``output.uri`` of the job; None where the NAME's folder has none around it."""
        folder, slash, _ = self.root.rpartition("/")
        if not slash:
            return "."
        return None if folder.endswith("/") or not folder else folder

    @property
    def name(self) -> str:
        """The NAME."""
        return self.root.rpartition("/")[2]


def split(address: str) -> tuple[str, str | None]:
    """The address before an ``@`` in its last part, and what stands behind it; hf:// uses the @ for revisions."""
    address = address.rstrip("/")
    folder, slash, last = address.rpartition("/")
    if "@" not in last or scheme_of(address) == "hf":
        return address, None
    name, _, tag = last.rpartition("@")
    return f"{folder}{slash}{name}", tag


def resolve(address: str, settings: Settings, *, default: str | None = None) -> VersionRef:
    """The version at an address; ``default`` is the tag of a NAME that is written without one (None: its latest).

    Raises InputMissing (66) naming what exists, SpecInvalid (64) for a tag that is none, and what a damaged manifest
    raises.
    """
    uri, tag = split(address)
    if tag is None:
        if default is None or IN_NAME.fullmatch(uri) or open_store(uri, settings).head(MANIFEST):
            return find_version(uri, settings)
        tag = default
    if not VERSION.fullmatch(tag):
        raise SpecInvalid(f"{join(uri, '')}: @{tag!r:.50} is no version; write @released, @latest or a version's name")
    if tag == RELEASED:
        tag = released(uri, settings)
    elif tag == "latest":
        return find_version(uri, settings)
    return find_version(f"{uri}/{VERSIONS_PREFIX}{tag}", settings)


def released(uri: str, settings: Settings) -> str:
    """The version of a NAME that is released; raises InputMissing (66) saying what can be done."""
    store = open_store(uri, settings)
    for version, life in list_lives(store).items():
        if life.status == RELEASED:
            return version
    newest = latest(store)
    if newest is None:
        find_version(uri, settings)  # says what there is instead
    raise InputMissing(
        f"{join(uri, '')}: no version is released; release one (registry promote), or name one such as @{newest}"
    )


def place_of(ref: VersionRef) -> Place | None:
    """Where a version lies, None for a copy outside of its NAME."""
    inside = IN_NAME.fullmatch(f"{ref.store.uri.rstrip('/')}/{ref.prefix}".rstrip("/"))
    return Place(inside["root"], inside["version"]) if inside else None


def require_place(ref: VersionRef) -> Place:
    """The same; raises SpecInvalid (64) for a copy, whose life nobody keeps."""
    place = place_of(ref)
    if place is None:
        raise SpecInvalid(f"{ref.uri}: is a copy outside of its NAME; give the address OUTPUT/NAME/versions/VERSION")
    return place
