"""The size budgets: small files, small functions, few parameters, full annotations, no print."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner/loraruner"
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 300, 40, 6
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERY_FILE = sorted(
    path for top in ("runner", "schemas", "tests", "examples", "ci", "bench") for path in (ROOT / top).rglob("*.py")
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: Function) -> list[ast.arg]:
    """All parameters but ``self`` and ``cls``."""
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *filter(None, (spec.vararg, spec.kwarg))]
    return [argument for argument in named if argument.arg not in ("self", "cls")]


def faults(path: Path) -> list[str]:
    """Every function of a file that breaks a budget, with its line."""
    found = []
    for function in functions(path):
        where = f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            found.append(f"{where}: {lines} lines")
        if len(parameters(function)) > MAX_PARAMETERS:
            found.append(f"{where}: {len(parameters(function))} parameters")
        if function.returns is None or any(argument.annotation is None for argument in parameters(function)):
            found.append(f"{where}: not annotated throughout")
    return found


def test_files_are_small() -> None:
    """No Python file is longer than 300 lines."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in EVERY_FILE}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_small_and_annotated() -> None:
    """Functions of the package have at most 40 lines and 6 parameters, and every annotation."""
    assert [fault for path in SOURCES for fault in faults(path)] == []


def test_a_large_function_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself sees a function that is too long, takes too much and is not annotated."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    path = tmp_path / "large.py"
    path.write_text("def f(a, b, c, d, e, f, *, g):\n" + "    pass\n" * 40)
    assert faults(path) == [
        "large.py:1 f: 41 lines",
        "large.py:1 f: 7 parameters",
        "large.py:1 f: not annotated throughout",
    ]
