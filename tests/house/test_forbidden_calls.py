"""Nothing runs code that came as data: no pickle, torch.load, yaml.load, eval, remote code, shell."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner/loraruner"
SOURCES = sorted(path for top in ("runner", "examples", "ci", "bench") for path in (ROOT / top).rglob("*.py"))

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "torch.load",
    "yaml.load",
    "np.load",
    "numpy.load",
    "os.system",
    "os.popen",
}
KEYWORDS = {
    "shell": (True,),
    "trust_remote_code": (True,),
    "allow_pickle": (True,),
    "weights_only": (True, False),
}


def dotted(node: ast.expr) -> str:
    """``torch.load`` of the expression that a call names; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden(tree: ast.AST) -> Iterator[str]:
    """Every forbidden import, call and keyword, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: {a.name}" for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"{node.lineno}: {node.module}"
        elif isinstance(node, ast.Call):
            yield from forbidden_call(node)


def forbidden_call(call: ast.Call) -> Iterator[str]:
    name = dotted(call.func)
    if name in CALLS and not harmless(name, call):
        yield f"{call.lineno}: {name}"
    for keyword in call.keywords:
        if isinstance(keyword.value, ast.Constant) and keyword.value.value in KEYWORDS.get(keyword.arg or "", ()):
            yield f"{call.lineno}: {keyword.arg}={keyword.value.value}"


def harmless(name: str, call: ast.Call) -> bool:
    """numpy reads no pickle where allow_pickle=False says so (the default, written out)."""
    off = any(k.arg == "allow_pickle" and getattr(k.value, "value", None) is False for k in call.keywords)
    return name in ("np.load", "numpy.load") and off


def test_no_forbidden_call() -> None:
    """No source file unpickles, evaluates text, trusts remote code or starts a shell."""
    found = {str(path.relative_to(ROOT)): list(forbidden(ast.parse(path.read_bytes()))) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load(path)",
        "yaml.load(text)",
        "np.load(path)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
    ],
)
def test_each_is_found(line: str) -> None:
    """The check itself sees every one of them."""
    assert len(list(forbidden(ast.parse(line)))) == 1


def test_only_the_cli_prints() -> None:
    """``print`` and ``sys.exit`` stand in ``cli`` alone."""
    calls = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "cli"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and dotted(node.func) in ("print", "sys.exit", "os._exit")
    ]
    assert calls == []
