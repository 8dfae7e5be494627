"""The documentation agrees with the code: links, exit codes, environment variables, commands, keys."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from loraruner.cli import commands
from loraruner.errors import POD_ACTIONS, ExitCode
from loraruner.spec import catalog

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r'"([A-Z][A-Z0-9_]{3,})"')
# In running text a command stands in backticks, in a block at the start of a line, after the prompt or an assignment.
IN_TEXT = re.compile(r"`(loraruner [^`]+)`")
IN_BLOCK = re.compile(r"^(?:\$ )?(loraruner [^#\n]+)", re.MULTILINE)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def command_lines(text: str) -> Iterator[str]:
    """Every call of loraruner in a page."""
    for number, part in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        yield from (IN_BLOCK if number % 2 else IN_TEXT).findall(part)


def fault(line: str) -> str | None:
    """What is wrong with a call: a command or an option that does not exist."""
    words = [word for word in shlex.split(line)[1:] if word not in ("|", "...")]
    command: click.Command = commands
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            option = next(
                (
                    each
                    for each in command.get_params(click.Context(command))
                    if word.split("=")[0] in (*each.opts, *each.secondary_opts)
                ),
                None,
            )
            if option is None:
                return f"{line}: no option {word}"
            if isinstance(option, click.Option) and not option.is_flag and words:
                words.pop(0)
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return f"{line}: no command {word}"
            command = found
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository names one that is there."""
    targets = (target.partition("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8")))
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    """Every command that a page shows exists, with the options that it is shown with."""
    found = (fault(line) for line in command_lines(page.read_text(encoding="utf-8")))
    assert [line for line in found if line] == []


def test_a_wrong_command_is_found() -> None:
    """The check itself sees a command, a subcommand and an option that are not there."""
    text = "`loraruner trian JOB`\n```console\n$ loraruner registry demote X\n$ loraruner plan JOB --fast\n```\n"
    assert [fault(line) for line in command_lines(text)] == [
        "loraruner trian JOB: no command trian",
        "loraruner registry demote X: no command demote",
        "loraruner plan JOB --fast: no option --fast",
    ]


def every_call(group: click.Group = commands, call: str = "loraruner") -> Iterator[str]:
    """Every command as it is called; a group is called by its commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_call(command, f"{call} {name}")
        else:
            yield f"{call} {name}"


def test_every_command_is_shown() -> None:
    """Each command stands in the pages under docs/, those of groups too."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    calls = list(every_call())
    assert "loraruner train" in calls and "loraruner data check" in calls
    assert [call for call in calls if call not in text] == []


def test_exit_codes_are_the_codes() -> None:
    """The table of docs/exit-codes.md has every code, its name and what a Job does about it, and no other."""
    row = re.compile(r"^\| (\d+) \| (\w+) \|.* (\w+) \|$", flags=re.MULTILINE)
    told = [(int(code), name, action) for code, name, action in row.findall(read("docs/exit-codes.md"))]
    assert told == [(int(code), code.name, POD_ACTIONS.get(code, "complete")) for code in ExitCode]


def test_every_variable_is_explained() -> None:
    """Each environment variable that settings.py names stands in docs/operations.md."""
    text = read("docs/operations.md")
    names = set(VARIABLE.findall(read("runner/loraruner/settings.py")))
    assert "LORARUNER_CACHE" in names
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_key_is_in_the_changelog() -> None:
    """A key of the job that CHANGELOG.md does not name has come without a line about it."""
    text = read("CHANGELOG.md")
    keys = [key.path for key in catalog.all_keys()]
    leaves = [path for path in keys if not any(other[:-1] == path for other in keys)]
    assert [".".join(path) for path in leaves if f"`{'.'.join(path)}`" not in text] == []


def test_the_index_is_complete() -> None:
    """docs/README.md links every page and every decision."""
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert pages - set(LINK.findall(read("docs/README.md"))) == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda page: page.name)
def test_decisions_have_four_parts(page: Path) -> None:
    """An ADR is short and has a status, a context, a decision and consequences."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert "\nStatus: " in text
    assert len(text.splitlines()) <= 40
