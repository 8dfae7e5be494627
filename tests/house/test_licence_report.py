"""docs/licences.md is what the packages say, and the policy refuses what it must."""

import runpy
from importlib.metadata import PackageMetadata, PathDistribution
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "ci/licences.py"))


def told(folder: Path, *lines: str) -> PackageMetadata:
    """Metadata as an installed package has them."""
    info = folder / "some-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: some", "Version: 1.0", *lines, ""]))
    return PathDistribution(info).metadata


def test_page_is_current(script: dict[str, Any]) -> None:
    """The page equals what ``make docs`` would write now."""
    assert (ROOT / "docs/licences.md").read_text(encoding="utf-8") == script["render"](script["installed"]())


def test_every_locked_package_passes(script: dict[str, Any]) -> None:
    """The policy allows every package that running needs, torch among them, and no exception stands without need."""
    licences = script["installed"]()
    assert {"torch", "transformers", "boto3"} <= licences.keys()
    assert script["faults"](licences, script["EXCEPTIONS"]) == []


@pytest.mark.parametrize(
    ("lines", "expression", "source"),
    [
        (["License-Expression: mit OR apache-2.0"], "MIT OR Apache-2.0", "expression"),
        (["License-Expression: MIT", "License: GPL-3.0-only"], "MIT", "expression"),
        (["License: Apache 2.0 License"], "Apache-2.0", "field"),
        (["License: GPL-3.0-only", "Classifier: License :: OSI Approved :: MIT License"], "GPL-3.0-only", "field"),
        (["License: see file", "Classifier: License :: OSI Approved :: MIT License"], "MIT", "classifier"),
        (
            [f"Classifier: License :: OSI Approved :: {name}" for name in ("BSD License", "Apache Software License")],
            "Apache-2.0 AND LicenseRef-BSD",
            "classifier",
        ),
        (
            [f"Classifier: License :: OSI Approved :: {name}" for name in ("MIT License", "Some Other License")],
            "",
            "nothing",
        ),
        (["License: do what I like"], "", "nothing"),
        (["Classifier: Programming Language :: Python"], "", "nothing"),
    ],
)
def test_where_a_licence_is_read(
    script: dict[str, Any], tmp_path: Path, lines: list[str], expression: str, source: str
) -> None:
    """The expression counts before the old field, and that before the classifiers; a guess is never made."""
    assert tuple(script["licence_of"](told(tmp_path, *lines))) == (expression, source)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("LGPL-2.1-or-later", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("LicenseRef-Proprietary", False),
        ("", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (GPL-2.0-only OR BSD-3-Clause)", True),
        ("(MIT OR Apache-2.0) AND GPL-2.0-only", False),
        ("GPL-2.0-only OR MIT AND GPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH GCC-exception-3.1", False),
    ],
)
def test_policy(script: dict[str, Any], expression: str, allowed: bool) -> None:
    """One side of an OR is enough, an AND needs both; GPL, AGPL and the unknown are refused."""
    assert script["allowed"](expression) is allowed


def test_exceptions(script: dict[str, Any]) -> None:
    """A package with a reason passes, one with an empty reason does not, and an exception without need is told."""
    licences = {name: script["Licence"]("GPL-3.0-only", "field") for name in ("kept", "bare", "new")}
    licences["free"] = script["Licence"]("MIT", "field")
    found = script["faults"](licences, {"kept": "its makers allow it", "bare": "", "free": "was GPL once"})
    assert [fault.split()[0] for fault in found] == ["bare:", "new:", "free"]


def test_an_exception_is_shown(script: dict[str, Any]) -> None:
    """The page gives the reason of every exception."""
    exceptions = script["render"].__globals__["EXCEPTIONS"]
    exceptions["some"] = "its makers allow it"
    try:
        page = script["render"]({"some": script["Licence"]("", "nothing")})
    finally:
        del exceptions["some"]
    assert "- some: its makers allow it\n" in page and "| some | unknown | nothing |" in page
