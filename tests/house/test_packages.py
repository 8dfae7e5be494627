"""The package list, the version and the declared dependencies agree with what is on disk."""

import ast
import configparser
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from setuptools import find_packages

import loraruner

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner/loraruner"


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def distribution_names(text: str) -> set[str]:
    """Normalised names of the requirements in one option of setup.cfg."""
    return {re.split(r"[<>=!~\[; ]", line)[0].lower().replace("_", "-") for line in text.split("\n") if line.strip()}


def top_level_imports(folder: Path) -> set[str]:
    """Names of the third-party packages that the code below a folder imports, inside functions too."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"loraruner"}


def test_package_list_is_what_is_on_disk() -> None:
    """setup.cfg names every package below runner/, the schemas and the chart, and no other."""
    listed = config()["options"]["packages"].split()
    assert listed == sorted(listed)
    assert set(listed) == {*find_packages(str(ROOT / "runner")), "loraruner.chart", "loraruner.schemas"}


def test_every_folder_of_code_is_a_package() -> None:
    """A folder with code has an ``__init__.py``: the editable install serves only regular packages."""
    folders = {path.parent for path in [*PACKAGE.rglob("*.py"), *ROOT.glob("schemas/*.py"), *ROOT.glob("helm/*.py")]}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_package_data_is_listed() -> None:
    """Every file of the package that is not code matches a pattern of ``package_data``."""
    patterns = {name: text.replace(" ", "").split(",") for name, text in config()["options.package_data"].items()}
    unlisted = []
    for path in PACKAGE.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            name, relative = owner(path)
            if not any(relative.match(pattern) for pattern in patterns.get(name, [])):
                unlisted.append(str(path.relative_to(ROOT)))
    assert unlisted == []


def owner(path: Path) -> tuple[str, Path]:
    """The package that ships a data file, and the file's path inside it."""
    folder = next(parent for parent in path.parents if (parent / "__init__.py").exists())
    return ".".join(folder.relative_to(ROOT / "runner").parts), path.relative_to(folder)


def test_version_stands_in_one_place() -> None:
    """setup.cfg reads the version from the package, where it is a literal of three numbers."""
    assert config()["metadata"]["version"] == "attr: loraruner.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", loraruner.__version__)
    holders = [path for path in PACKAGE.rglob("*.py") if f'"{loraruner.__version__}"' in path.read_text()]
    assert holders == [PACKAGE / "__init__.py"]


def test_every_import_is_declared() -> None:
    """What the package imports stands in setup.cfg: in install_requires or in the extras for running."""
    extras = config()["options.extras_require"]
    running = ("s3", "metrics", "notify", "smartsheet", "train")
    texts = (config()["options"]["install_requires"], *(extras[name] for name in running))
    declared = distribution_names("\n".join(texts))
    owners = packages_distributions()
    imported = {
        name: {owner.lower().replace("_", "-") for owner in owners.get(name, [name])}
        for name in top_level_imports(PACKAGE)
    }
    assert {name: sorted(names) for name, names in imported.items() if not names & declared} == {}
