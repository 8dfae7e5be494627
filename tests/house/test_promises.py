"""Every promise and every mitigation names tests, and those tests exist."""

import ast
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "ci/reliability_docs.py"
PAGES = [ROOT / "docs/reliability.md", ROOT / "docs/security.md"]
TEST_ID = re.compile(r"\btests/[\w./-]+\.py::[\w:]+(?:\[[^\]`|]*\])?")
TEST_FILE = re.compile(r"\btests/[\w./-]+\.py\b")


@cache
def names_of_tests(path: Path) -> frozenset[str]:
    """Names of the tests in a file, with their class where they have one; none for a file that pytest passes over."""
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    return frozenset(_names(ast.parse(path.read_bytes()).body))


def _names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _names(node.body, f"{prefix}{node.name}::")


def is_there(test: str) -> bool:
    """Whether pytest would find the test of an id such as ``tests/x/test_y.py::test_z``."""
    match = re.fullmatch(r"(tests/[\w./-]+\.py)::([\w:]+)(?:\[.*\])?", test)
    return match is not None and match[2] in names_of_tests(ROOT / match[1])


def rows_with_tests(page: str) -> Iterator[str]:
    """The rows of every table that has a column for tests."""
    lines, inside = page.splitlines(), False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"\|[\s:|-]+\|", following):
            inside = any("test" in cell.lower() for cell in line.split("|"))
        elif not line.startswith("|"):
            inside = False
        elif inside and not re.fullmatch(r"\|[\s:|-]+\|", line):
            yield line


@pytest.fixture(scope="module")
def promises() -> tuple[Any, ...]:
    found: tuple[Any, ...] = runpy.run_path(str(SCRIPT))["PROMISES"]
    return found


def test_every_promise_has_its_tests(promises: tuple[Any, ...]) -> None:
    """Each promise says something once and names at least one test; every test named exists."""
    texts = [promise.text for promise in promises]
    assert len(texts) == len(set(texts)) >= 10 and all(text.strip() for text in texts)
    assert [promise.text for promise in promises if not promise.tests] == []
    assert [test for promise in promises for test in promise.tests if not is_there(test)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_tests_that_exist(page: Path) -> None:
    """Each test and each test file that the page names is there."""
    text = page.read_text(encoding="utf-8")
    assert TEST_ID.findall(text)
    assert [test for test in TEST_ID.findall(text) if not is_there(test)] == []
    assert [name for name in TEST_FILE.findall(text) if not (ROOT / name).is_file()] == []


def test_every_threat_has_a_test() -> None:
    """Each row of docs/security.md that claims a mitigation names a test for it."""
    rows = list(rows_with_tests((ROOT / "docs/security.md").read_text(encoding="utf-8")))
    assert len(rows) >= 10
    assert [row for row in rows if not TEST_ID.search(row)] == []


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/house/test_promises.py::test_a_wrong_name_is_found", True),
        ("tests/house/test_promises.py::test_a_wrong_name_is_found[x-True]", True),
        ("tests/house/test_promises.py::test_a_wrong_nam", False),
        ("tests/house/test_promises.py::is_there", False),
        ("tests/house/test_nothing_at_all.py::test_a_wrong_name_is_found", False),
        ("tests/support/user.py::test_a_wrong_name_is_found", False),
        ("tests/house/test_promises.py", False),
        ("", False),
    ],
)
def test_a_wrong_name_is_found(test: str, there: bool) -> None:
    """The check itself sees a test, a file and a function that are none."""
    assert is_there(test) is there


def test_a_row_without_a_test_is_found() -> None:
    """Rows are read from tables with a column for tests alone, their heads left out."""
    threats = "| threat | tests |\n| --- | --- |\n| a | `tests/x.py::test_a` |\n| b | |\n"
    page = f"{threats}\n| word | meaning |\n|---|---|\n| c | d |\n"
    assert list(rows_with_tests(page)) == ["| a | `tests/x.py::test_a` |", "| b | |"]
