"""The parts of a release that need no server."""

import gzip
import io
import json
import tarfile
from email.message import Message
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ci.releasing import build_info, charts, images, notes, packages
from ci.releasing.commands import CommandFailed, NotThere, fault_in
from ci.releasing.pypi import Links
from ci.releasing.settings import OciPlace
from ci.releasing.steps import Step, require_there, settle
from ci.releasing.web import retry_after_s
from loraruner.errors import (
    DataInvalid,
    IntegrityError,
    LoraRunerError,
    NoPermission,
    TemporaryFailure,
    VersionConflict,
)

ROOT = Path(__file__).parents[2]
VALUES = (
    '# Top\nimage:\n  # -- Where\n  repository: ""\n\n  # -- Which\n  digest: ""  # none\n  pullPolicy: X\n\njob: {}\n'
)


class Shelf:
    """A place for things: what is there, and in which order it came."""

    def __init__(self, **there: str) -> None:
        self.there, self.came = there, list[str]()

    def step(self, name: str, digest: str, *, arrives: str = "") -> Step:
        def send() -> None:
            self.came.append(name)
            self.there[name] = arrives or digest

        return Step(name, digest, lambda: self.there.get(name, ""), send)


def test_only_what_is_missing_is_sent_in_order() -> None:
    """Things that are there with their digest stay, the others come one after the other, and all are told."""
    shelf, said = Shelf(b="2"), list[str]()
    steps = [shelf.step("a", "1"), shelf.step("b", "2"), shelf.step("c", "3")]
    assert settle(steps, said.append) == 2
    assert shelf.came == ["a", "c"]
    assert said == ["sent: a (1)", "there already: b (2)", "sent: c (3)"]
    assert settle(steps, said.append) == 0


def test_all_conflicts_come_before_the_first_sending() -> None:
    """What is there with other digests is all named with both, and nothing is sent, not even what comes earlier."""
    shelf = Shelf(b="x", c="y")
    with pytest.raises(VersionConflict) as error:
        settle([shelf.step("a", "1"), shelf.step("b", "2"), shelf.step("c", "3")], print)
    assert shelf.came == []
    assert "b is there with x, and here it is 2" in str(error.value) and "c is there with y" in str(error.value)


def test_what_arrives_is_looked_at() -> None:
    """Something else at the place after the sending is 74."""
    with pytest.raises(IntegrityError, match="1 was sent, and other is there"):
        settle([Shelf().step("a", "1", arrives="other")], lambda line: None)


def test_what_arrives_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that shows what it got only a while later, as an index may, is looked at again; never shown is 74."""
    paused = list[float]()
    monkeypatch.setattr("time.sleep", paused.append)
    answers = iter(["", "", "", "1"])
    assert settle([Step("a", "1", lambda: next(answers), lambda: None)], lambda line: None) == 1
    assert paused == [1.0, 2.0]
    with pytest.raises(IntegrityError, match="1 was sent, and nothing is there"):
        settle([Step("a", "1", lambda: "", lambda: None)], lambda line: None)


def test_someone_else_at_the_same_time() -> None:
    """What another release changed or took away after it was sent is named, and ends the release before its build."""
    shelf = Shelf(a="1", b="x")
    with pytest.raises(IntegrityError, match="no build was published") as error:
        require_there([shelf.step("a", "1"), shelf.step("b", "2"), shelf.step("c", "3")])
    assert "b was 2 and is x" in str(error.value) and "c was 3 and is gone" in str(error.value)
    require_there([shelf.step("a", "1")])


def test_only_looking_sends_nothing() -> None:
    """A dry run counts what is missing."""
    shelf, said = Shelf(), list[str]()
    assert settle([shelf.step("a", "1")], said.append, only_look=True) == 1
    assert (shelf.came, said) == ([], ["not there yet: a (1)"])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("HTTPError: 403 Forbidden from https://h/", NoPermission),
        ("unauthorized: authentication required", NoPermission),
        ("HTTPError: 429 Too Many Requests", TemporaryFailure),
        ("received unexpected HTTP status: 503 Service Unavailable", TemporaryFailure),
        ("dial tcp 127.0.0.1:1: connect: connection refused", TemporaryFailure),
        ("Error parsing h.test:403/n:0.0.429-cpu: manifest unknown", NotThere),
        ("response status code 404: Not Found", NotThere),
        ("HTTPError: 400 Bad Request, see version 5.503.401", CommandFailed),
    ],
)
def test_words_of_programs_are_understood(text: str, kind: type[LoraRunerError]) -> None:
    """A refusal is 77, a server that is busy or away 75; numbers in names and versions mean nothing."""
    assert fault_in(text) is kind


@pytest.mark.parametrize(("value", "pause_s"), [("3", 3.0), ("9999", 60.0), ("", 2.0), ("Wed, 21 Oct 2030", 2.0)])
def test_pauses(value: str, pause_s: float) -> None:
    """Retry-After decides within a limit, otherwise our own pause."""
    headers = Message()
    headers["Retry-After"] = value
    assert retry_after_s(headers, 2.0) == pause_s


def test_values_get_the_image_and_nothing_else() -> None:
    """Address and digest are written into their lines of the block image; comments and all else stay."""
    found = charts.with_image(VALUES, "r.example.com/loraruner", "sha256:12")
    assert found == VALUES.replace('repository: ""', 'repository: "r.example.com/loraruner"').replace(
        'digest: ""  # none', 'digest: "sha256:12"'
    )


@pytest.mark.parametrize("values", ["job: {}\n", 'image:\n  repository: ""\n', VALUES.replace("  digest", "  other")])
def test_values_without_a_place_are_refused(values: str) -> None:
    """A chart whose values have no place for the image is not released."""
    with pytest.raises(DataInvalid, match=r"helm/loraruner/values\.yaml has"):
        charts.with_image(values, "r", "d")


def write_sdist(path: Path, *, owner: str, mtime: int, names: list[str]) -> Path:
    """An archive with two files, as a machine of its own would write it."""
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"x-1/{name}")
            member.uname, member.mtime, member.size, member.mode = owner, mtime, len(name), 0o600 if owner else 0o664
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def test_an_sdist_forgets_its_machine(tmp_path: Path) -> None:
    """Two sdists that differ in owner, modes, times and order become the same bytes, with the same files."""
    first = write_sdist(tmp_path / "x-1.tar.gz", owner="me", mtime=1, names=["a", "b"])
    (tmp_path / "again").mkdir()
    second = write_sdist(tmp_path / "again/x-1.tar.gz", owner="", mtime=2, names=["b", "a"])
    with pytest.raises(DataInvalid, match=r"x-1\.tar\.gz is .* and then .*: a release has to be reproducible"):
        packages.require_equal([first], [second])
    for path in (first, second):
        packages.normalise(path, 1700000000)
    packages.require_equal([first], [second])
    with tarfile.open(first) as archive:
        assert [(each.name, each.mode, each.mtime) for each in archive] == [
            ("x-1/a", 0o644, 1700000000),
            ("x-1/b", 0o644, 1700000000),
        ]
    assert gzip.decompress(first.read_bytes())[257:263] == b"ustar\0"


@pytest.mark.parametrize("target", ["cpu", "runtime"])
def test_requirements_hold_every_pin(target: str, tmp_path: Path) -> None:
    """The released requirements are ours and all of the locks, each with all its hashes, torch among them."""
    locked = notes.pins(ROOT, target)
    (tmp_path / "a.whl").write_bytes(b"a")
    text = notes.requirements("1.2.3", [tmp_path / "a.whl"], locked)
    assert text.splitlines()[1].startswith("loraruner==1.2.3 ")
    locks = "".join((ROOT / name).read_text() for name in notes.LOCKS[target])
    assert text.count("--hash=sha256:") == locks.count("--hash=sha256:") + 1
    assert {pin.name for pin in locked} >= {"torch", "numpy"}
    assert all(pin.sha256 for pin in locked)


def test_the_bill_of_materials_is_cyclonedx() -> None:
    """It keeps CycloneDX 1.5's own schema and names every pin by its package address."""
    locked = notes.pins(ROOT, "cpu")
    document = notes.bill_of_materials("1.2.3", locked)
    fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(notes.pretty(document))
    assert fault is None
    assert len(document["components"]) == len(locked) and document["metadata"]["component"]["version"] == "1.2.3"


def test_checksums_read_back(tmp_path: Path) -> None:
    """SHA256SUMS is what sha256sum writes, by name, and is read back."""
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    text = notes.checksums([tmp_path / "b", tmp_path / "a"])
    assert [line.split("  ")[1] for line in text.splitlines()] == ["a", "b"]
    assert sorted(notes.of_checksums(text)) == ["a", "b"]


def test_keys_are_known_only_on_the_same_server() -> None:
    """Repository keys come from Artifactory's own addresses; another server's files get no properties."""
    server = "https://h.example.com/artifactory"
    assert build_info.pypi_key(f"{server}/api/pypi/local", server) == "local"
    assert build_info.pypi_key("https://pypi.example.com/upload", server) == ""
    assert build_info.oci_key(OciPlace("h.example.com", "docker/a/b", False), server) == ("docker", "a/b")
    assert build_info.oci_key(OciPlace("r.example.com", "docker/a", False), server) == ("", "")


def test_a_build_is_known_by_what_it_made() -> None:
    """The order of modules and files, and what a server adds, change nothing; another digest does."""
    files = [{"name": "a", "sha256": "1"}, {"name": "b", "sha256": "2"}]
    first = {"modules": [{"id": "x", "artifacts": files}, {"id": "y", "artifacts": files[:1]}]}
    second = {"url": "u", "modules": [{"id": "y", "artifacts": files[:1]}, {"id": "x", "artifacts": files[::-1]}]}
    assert build_info.identity(first) == build_info.identity(second) != ""
    assert build_info.identity(json.loads(json.dumps(first).replace('"2"', '"3"'))) != build_info.identity(first)
    assert build_info.identity({}) == ""


def test_links_of_an_index() -> None:
    """Only addresses of links count, as a page has them."""
    page = Links()
    page.feed('<a href="../x.whl#sha256=1" data-x="no">x</a><b href="no">y</b><a>z</a>')
    assert page.found == ["../x.whl#sha256=1"]


def test_given_images(tmp_path: Path) -> None:
    """A folder is a layout, a file an archive, a name with a transport itself; nothing else is an image."""
    (tmp_path / "a.tar").write_bytes(b"")
    assert images.reference(str(tmp_path)) == f"oci:{tmp_path}"
    assert images.reference(str(tmp_path / "a.tar")) == f"oci-archive:{tmp_path}/a.tar"
    assert images.reference("docker://h/n@sha256:1") == "docker://h/n@sha256:1"
    with pytest.raises(DataInvalid, match="neither a file nor a name"):
        images.reference(str(tmp_path / "none"))
