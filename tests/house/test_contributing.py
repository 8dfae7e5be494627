"""The tree in CONTRIBUTING.md names every source file with one comment, and nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = (
    *("runner/**/*.py", "schemas/*.json", "schemas/*.py", "ci/*", "bench/*", "docker/*", "docs/*.md"),
    *("helm/*", "helm/loraruner/*"),
)
LINE = re.compile(r"(?P<indent>(?:  )*)(?P<name>\S+)(?:  +(?P<comment>\S.*))?")


def tree(text: str) -> Iterator[tuple[str, str]]:
    """Path and comment of every line of the first ``text`` block; two spaces a level, folders end in ``/``."""
    block = text.split("```text\n", 1)[1].split("```", 1)[0]
    folders: list[str] = []
    for line in block.splitlines():
        match = LINE.fullmatch(line)
        assert match, f"no line of a tree: {line!r}"
        del folders[len(match["indent"]) // 2 :]
        yield "".join([*folders, match["name"]]), match["comment"] or ""
        if match["name"].endswith("/"):
            folders.append(match["name"])


def written() -> list[tuple[str, str]]:
    return list(tree((ROOT / "CONTRIBUTING.md").read_text()))


def on_disk() -> set[str]:
    found = (path for pattern in NAMED for path in ROOT.glob(pattern))
    return {str(path.relative_to(ROOT)) for path in found if path.is_file()}


def test_every_file_is_named() -> None:
    """No source file, schema, lock, script or page is missing from the tree."""
    assert on_disk() - {path for path, _ in written()} == set()


def test_everything_named_is_there_once() -> None:
    """No line names a file that is gone, and none stands twice."""
    paths = [path for path, _ in written()]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert len(paths) == len(set(paths))


def test_every_file_has_a_comment() -> None:
    """Each file, and each folder whose files are not listed, is told in a few words."""
    entries = written()
    opened = {path for path, _ in entries if any(other != path and other.startswith(path) for other, _ in entries)}
    assert [path for path, comment in entries if not comment and path not in opened] == []


def test_test_folders_are_named() -> None:
    """Every folder of tests stands in the tree."""
    folders = {
        f"tests/{path.name}/" for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"
    }
    assert folders == {path for path, _ in written() if path.startswith("tests/")} - {"tests/"}


def test_the_reader_sees_levels() -> None:
    """A deeper line belongs to the folder above it, a line on the left begins anew."""
    text = "```text\na/\n  b/\n    c.py  see\n  d.py  dee\ne/  eee\n```"
    assert list(tree(text)) == [("a/", ""), ("a/b/", ""), ("a/b/c.py", "see"), ("a/d.py", "dee"), ("e/", "eee")]
    with pytest.raises(AssertionError, match="no line of a tree"):
        list(tree("```text\na b\n```"))
