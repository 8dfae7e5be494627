"""Nothing runs code that came as data: no pickle, torch.load, eval, remote code, shell; and TLS stays checked."""

import ast
from pathlib import Path

import pytest

from tests.support.source_rules import MODULES as MODULE_NAMES
from tests.support.source_rules import forbidden, is_forbidden, resolved

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner/loraruner"
SOURCES = sorted(
    path for top in ("runner", "schemas", "examples", "ci", "bench") for path in (ROOT / top).rglob("*.py")
)
# They import what a table of this package names.
BY_TABLE = {
    "runner/loraruner/cli/lazy.py",
    "runner/loraruner/data/label/captioner.py",
    "runner/loraruner/families/__init__.py",
    "runner/loraruner/merge.py",
    "runner/loraruner/notifiers/__init__.py",
    "runner/loraruner/stores/__init__.py",
}


def test_no_forbidden_call() -> None:
    """No source file unpickles, evaluates text, trusts remote code, starts a shell or leaves TLS unchecked."""
    found = {str(path.relative_to(ROOT)): list(forbidden(ast.parse(path.read_bytes()))) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


MODULES = [
    "import pickle",
    "import pickle as p",
    "import os, pickle",
    "from pickle import loads",
    "from _pickle import Unpickler",
    "import dill",
    "import cloudpickle",
    "import joblib",
    "import marshal",
    "import shelve",
    "import torch.hub",
    "from torch import hub",
    "from torch.serialization import load",
    "import xml.etree.ElementTree as ET",
    "from xml.dom import minidom",
    "from lxml import etree",
    "def late():\n    import pickle",
    "from torch import load",
    "from torch import load as read",
    "from torch import *",
    "from yaml import unsafe_load",
    "from os import system",
    "from shutil import unpack_archive",
    "from tempfile import mktemp",
]
BY_STRING = [
    "import importlib\nimportlib.import_module('pickle')",
    "from importlib import import_module\nimport_module('pickle').loads(data)",
    "from importlib import import_module as get\nget('torch.hub')",
    "__import__('pickle')",
    "import builtins\nbuiltins.__import__('json')",
    "import torch\ngetattr(torch, 'load')(path)",
    "from importlib import import_module\ngetattr(import_module('torch'), 'load')(path)",
    "import importlib\nimportlib.import_module('torch').load(path)",
]
BY_ALIAS = [
    "import torch as t\nt.load(path)",
    "import torch\nread = torch.load",
    "import torch\nt = torch\nt.load(path)",
    "import torch\nmap(torch.load, paths)",
    "import yaml as y\ny.full_load(text)",
    "import numpy\nread = numpy.load",
    "import numpy as n\nn.load(path)",
    "from numpy import load\nload(path)",
    "from importlib import import_module\nt = import_module('torch')\nt.load(path)",
]
LOADERS = [
    "torch.load(path)",
    "torch.load(path, weights_only=True)",
    "torch.hub.load('a/b', 'c')",
    "torch.jit.load(path)",
    "torch.serialization.load(path)",
    "yaml.load(text)",
    "yaml.load_all(text)",
    "yaml.unsafe_load(text)",
    "yaml.full_load(text)",
    "yaml.parse(text, Loader=yaml.Loader)",
    "yaml.parse(text, Loader=loader)",
    "import numpy as np\nnp.load(path)",
    "import numpy as np\nnp.load(path, allow_pickle=True)",
    "import numpy as np\nnp.load(path, allow_pickle=flag)",
    "pandas.read_pickle(path)",
    "eval(text)",
    "exec(text)",
    "compile(text, 'f', 'exec')",
    "run = eval",
    "AutoModel.from_pretrained(path, trust_remote_code=True)",
    "AutoModel.from_pretrained(path, trust_remote_code=flag)",
    "AutoModel.from_pretrained(path, **{'trust_remote_code': True})",
    "AutoModel.from_pretrained(path, use_safetensors=False)",
    "config.trust_remote_code = True",
]
THE_REST = [
    "subprocess.run(command, shell=True)",
    "subprocess.Popen(command, shell=flag)",
    "subprocess.getoutput(command)",
    "os.system(command)",
    "os.popen(command)",
    "asyncio.create_subprocess_shell(command)",
    "import tarfile\ntarfile.open(path).extractall(folder)",
    "import zipfile\nzipfile.ZipFile(path).extract(member)",
    "bundle.extractall(folder)",
    "shutil.unpack_archive(path, folder)",
    "tempfile.mktemp()",
    "ssl._create_unverified_context()",
    "context.verify_mode = ssl.CERT_NONE",
    "context.check_hostname = False",
    "client('s3', verify=False)",
    "PoolManager(cert_reqs='CERT_NONE')",
    "hashlib.md5(data)",
    "hashlib.sha1(data)",
    "hashlib.new('md5', data)",
    "from hashlib import md5\nmd5(data)",
    "hashlib.md5(data, usedforsecurity=True)",
]


@pytest.mark.parametrize("source", [*MODULES, *BY_STRING, *BY_ALIAS, *LOADERS, *THE_REST])
def test_each_is_found(source: str) -> None:
    """The check itself sees every one of them, however it is spelt."""
    assert list(forbidden(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "import yaml\nyaml.safe_load(text)",
        "import yaml\nyaml.parse(text, Loader=yaml.SafeLoader)",
        "import numpy as np\nnp.load(path, mmap_mode='r', allow_pickle=False)",
        "import hashlib\nhashlib.md5(data, usedforsecurity=False)",
        "import hashlib\nhashlib.sha256(data)",
        "import re\nre.compile(pattern)",
        "import subprocess\nsubprocess.run(['ls'], shell=False)",
        "import json\njson.load(stream)",
        "import tarfile\ntarfile.TarFile(fileobj=stream)",
        "import ssl\nssl.create_default_context()",
        "client('s3', verify=path)",
        "for pickle in named:\n    tell(pickle)",
        "rules.extract(text)",
        "from importlib import import_module\nimport_module('loraruner.stores.s3')",
        "AutoModel.from_pretrained(path, use_safetensors=True, trust_remote_code=False)",
    ],
)
def test_the_harmless_is_left_alone(source: str) -> None:
    """What resembles it and does no harm is no fault."""
    assert list(forbidden(ast.parse(source))) == []


def imports_by_expression(path: Path) -> bool:
    """Whether a file imports a module whose name no one can read in it."""
    calls = (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call))
    named = ((resolved(call.func, {}).rpartition(".")[2], call.args) for call in calls)
    return any(name == "import_module" and not isinstance(args[0], ast.Constant) for name, args in named)


def test_few_files_import_by_a_computed_name() -> None:
    """Such names come from tables; no string of the package names a forbidden module or function."""
    assert {str(path.relative_to(ROOT)) for path in SOURCES if imports_by_expression(path)} == BY_TABLE
    nodes = ((path.name, node) for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_bytes())))
    texts = {
        (name, node.value) for name, node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    dotted = {(name, text.replace(":", ".")) for name, text in texts if "." in text or text in MODULE_NAMES}
    assert sorted((name, text) for name, text in dotted if is_forbidden(text)) == []


def test_only_the_cli_prints() -> None:
    """``print`` and ``sys.exit`` stand in ``cli`` alone."""
    calls = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name != "cli"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and resolved(node.func, {}) in ("print", "sys.exit", "os._exit")
    ]
    assert calls == []
