"""The pages about clusters agree with the chart and with helm and kubectl: values, blocks of values, options."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from loraruner.errors import POD_ACTIONS, ExitCode
from loraruner.metrics_push import GAUGES, INFO, MEASURE, MEMORY, RUNNING, UPDATED
from loraruner.spec import catalog
from tests.support.tools import HELM, KUBECTL

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/loraruner"
NAMES = ("deploy.md", "operate.md", "troubleshooting.md", "roles/README.md", "chart.md")
PAGES = [ROOT / "docs" / name for name in NAMES]
DEPLOY = PAGES[0]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)(?:: [^`]+)?`")
TOOLS = {"helm": HELM, "kubectl": KUBECTL}
LOOK_UP_S = 60
OLDEST = "1.29"  # what the page asks for


def blocks(page: Path, kind: str) -> list[str]:
    """The blocks of one kind, in order."""
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind]


def defaults() -> dict[str, Any]:
    """The chart's values.yaml."""
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values


def paths(values: Mapping[str, Any], known: Any, at: str = "") -> Iterator[str]:
    """Every value that is given and that the chart does not have; what is below an open mapping may be anything."""
    for key, value in values.items():
        place = f"{at}.{key}" if at else key
        if not isinstance(known, Mapping) or key not in known:
            yield place
        elif isinstance(value, Mapping) and known[key]:
            yield from paths(value, known[key], place)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm merges two files of values."""
    result = deepcopy(dict(base))
    for key, value in over.items():
        inner = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if inner else value
    return result


def has(path: str) -> bool:
    """Whether the chart has a value of that dotted name, or an open mapping where it lies."""
    node: Any = defaults()
    for part in path.split("."):
        if node == {}:
            return True
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_text_names_keys_that_exist(page: Path) -> None:
    """A dotted name in the text whose first part is a key of the job is one of its keys, or a value of the chart."""
    keys = {".".join(key.path) for key in catalog.all_keys()}
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert "training.epochs" in keys
    assert [name for name in named if name.split(".")[0] in {key.split(".")[0] for key in keys} - {"job"}
            and name not in keys and not has(name)] == []  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_headings(page: Path) -> None:
    """A link to a place in a page names one of its headings."""
    links = re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [(name, place) for name, place in links if place not in headings(page.parent / name if name else page)] == []


def headings(page: Path) -> set[str]:
    """The places of a page, as GitHub calls them."""
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_what_each_exit_code_asks_for() -> None:
    """The table of operate.md has every code in order, with what the Job does about it, and the kernel's 137."""
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\w+) \|", PAGES[1].read_text(encoding="utf-8"), re.MULTILINE)
    known = [(int(code), code.name, POD_ACTIONS.get(code, "complete")) for code in ExitCode]
    assert [(int(code), name, action) for code, name, action in rows] == [*known, (137, "killed", "Count")]


def test_metrics_are_those_that_are_pushed() -> None:
    """operate.md explains every metric, and its queries and rules name no other."""
    text = PAGES[1].read_text(encoding="utf-8")
    pushed = {*GAUGES, INFO[0], RUNNING[0], MEASURE[0], UPDATED[0], MEMORY[0]}
    table = set(re.findall(r"`(loraruner_\w+)`", "\n".join(line for line in text.splitlines() if line[:1] == "|")))
    assert table == pushed
    assert set(re.findall(r"\bloraruner_\w+", text)) <= pushed
    (rules,) = (yaml.safe_load(block) for block in blocks(PAGES[1], "yml"))
    assert all({"alert", "expr", "annotations"} == set(rule) for group in rules["groups"] for rule in group["rules"])


VALUES = [(page, number) for page in PAGES for number in range(len(blocks(page, "yaml")))]


@pytest.mark.parametrize(("page", "number"), VALUES, ids=[f"{page.stem}-{number}" for page, number in VALUES])
def test_blocks_name_values_that_exist(page: Path, number: int) -> None:
    """Each block of YAML is values of the chart: every key of it stands in values.yaml."""
    given = yaml.safe_load(blocks(page, "yaml")[number])
    known = {**defaults(), "nodeSelector": {}, "resources": {"requests": {}, "limits": {}}}
    assert list(paths(given, known)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_text_names_values_that_exist(page: Path) -> None:
    """A dotted name in the text whose first part is a value of the chart is one of its values."""
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if name.split(".")[0] in defaults() and not has(name)] == []


def test_wrong_values_are_found() -> None:
    """The checks themselves see a value that is not there, in blocks and in the text, and pass by what is free."""
    given = {"gpu": {"number": 1}, "job": {"anything": 1}, "colour": "red", "store": {"region": ""}}
    assert list(paths(given, defaults())) == ["gpu.number", "colour"]
    assert PATH.findall("`gpu.number: 1`, `job.json`, `store.region`") == ["gpu.number", "job.json", "store.region"]
    assert has("store.region") and not has("gpu.number")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(blocks(DEPLOY, "yaml"))))
def test_blocks_render(number: int, tmp_path: Path) -> None:
    """The first block is a whole file of values, and each other one over it: Helm takes them and renders a Job."""
    given = [yaml.safe_load(text) for text in blocks(DEPLOY, "yaml")]
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(merged(given[0], given[number] if number else {})))
    done = subprocess.run(
        [HELM, "template", "neon-style", CHART, "--namespace", "training", "--values", values],
        capture_output=True, text=True, timeout=LOOK_UP_S, env={"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    assert "Job" in {document["kind"] for document in documents}
    validate = import_module("kubernetes_validate").validate  # it has no annotations
    for document in documents:
        validate(document, OLDEST, strict=True)


def calls(page: Path) -> Iterator[list[str]]:
    """The words of every call of helm and kubectl in a page, in blocks and in running text."""
    shown = "\n".join(blocks(page, "console")).replace("\\\n", " ")
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for line in [*re.findall(r"^\$ (.*)$", shown, re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)]:
        if line.split()[0] in TOOLS and " " in line:
            yield shlex.split(re.sub(r"\s#.*", "", line))


def command_of(words: list[str]) -> list[str]:
    """The subcommand: what stands before the first argument; kubectl takes its global options anywhere."""
    rest = list(words[1:])
    if rest[0] == "--namespace":
        rest = rest[2:]
    nested = {"create": 2 if rest[1:2] == ["secret"] else 1, "test": 0, "get": int(words[0] == "helm")}
    return rest[: 1 + nested.get(rest[0], 0)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_of_helm_and_kubectl_exist(page: Path, tmp_path: Path) -> None:
    """Every long option of a call that the page shows is one that this version of the program knows for it."""
    for words in calls(page):
        told = ""
        for arguments in (["options"], [*command_of(words), "--help"]):
            done = subprocess.run(
                [str(TOOLS[words[0]]), *arguments], capture_output=True, text=True, timeout=LOOK_UP_S,
                env={"HOME": str(tmp_path)},
            )  # fmt: skip
            told += done.stdout
            assert done.returncode == 0 or arguments == ["options"], done.stderr
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert [option for option in used if option not in told] == [], words


@pytest.mark.slow
def test_objects_can_be_made(tmp_path: Path) -> None:
    """Every `kubectl create` of the page makes its object, as far as can be told without a cluster."""
    files = {"s3.env": "AWS_ACCESS_KEY_ID=a\n", "hub.env": "HF_TOKEN=t\n", "auth.json": '{"auths": {}}', "ca.crt": "c"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    made = [words for words in calls(DEPLOY) if "create" in words]
    assert len(made) >= 5
    home = {"HOME": str(tmp_path)}
    for words in made:
        command = [str(KUBECTL), *words[1:], "--dry-run=client", "--output=name"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_UP_S, cwd=tmp_path, env=home)
        assert done.returncode == 0, done.stderr
