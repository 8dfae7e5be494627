"""The tables of keys: complete, consistent, and obeyed."""

import pytest

from loraruner.importers import DIALECTS, NotImported, Request, Source, convert
from loraruner.importers.dataset_config import KOHYA, NAMES, SAME_AS
from loraruner.importers.gui_keys import GUI_KEYS
from loraruner.importers.keys import RULED, Key, table
from loraruner.importers.verdicts import KEPT, LOST, REFUSED, Row
from loraruner.spec import catalog
from loraruner.spec.build import OPTIONS

TOML = "lora-scripts-toml"
PLACES = {".".join(key.path) for key in catalog.all_keys()}
TABLES = [(dialect.name, key) for dialect in DIALECTS.values() for key in dialect.keys.values()]


def test_every_place_exists() -> None:
    """A key goes to a place that the job's schema has, or to a label; one that goes nowhere says why."""
    wrong = [key.name for _, key in TABLES if key.to and key.to not in PLACES and not key.to.startswith("labels.")]
    assert (wrong, [key.name for _, key in TABLES if not key.to and not key.reason]) == ([], [])


@pytest.mark.parametrize("value", ["1", '"x"', "true", "[]", '""', "0.5"])
def test_every_key_is_told(value: str) -> None:
    """A configuration with any one key has a row or a problem for it, whatever its value is."""
    untold = [key for key in DIALECTS[TOML].keys if not told(key, value)]
    assert untold == []


def told(key: str, value: str) -> bool:
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    try:
        rows = convert(Source("c.toml", f"{key} = {value}".encode()), Request(dialect=TOML)).rows
    except NotImported as error:
        rows, problems = error.rows, error.problems
    return any(row.key == key for row in rows) or any(problem.startswith(key) for problem in problems)


def test_what_is_ruled_differs_by_a_reason() -> None:
    """Keys that code decides about say in the documentation what it does."""
    ruled = [key for dialect in DIALECTS.values() for key in dialect.keys.values() if key.fate == RULED]
    assert len(ruled) > 40 and all(key.reason for key in ruled)


def test_carried_keys_have_a_type() -> None:
    """A value is never copied unread."""
    assert [key.name for _, key in TABLES if key.fate == KEPT and key.kind is None] == []


@pytest.mark.parametrize(("name", "value"), [("clip_skip", 2), ("shuffle_caption", True), ("vae", "x"), ("v2", True)])
def test_neutral_values(name: str, value: object) -> None:
    """A key with an effect has none while it is off, and one that is on is never passed over."""
    key = DIALECTS["kohya"].keys[name]
    assert key.fate in (LOST, REFUSED)
    off: tuple[object, ...] = (False, "", None, [], "false")
    assert [value for value in off if not key.is_neutral(value)] == []
    assert not key.is_neutral(value)


def test_dataset_keys_are_keys_of_the_trainer() -> None:
    """Each name of a dataset configuration stands for a key that the tables know."""
    assert [name for name in NAMES if SAME_AS.get(name, name) not in KOHYA] == []


def test_the_page_adds_keys() -> None:
    """The web page's keys are none of sd-scripts', so that they tell one file from the other."""
    assert set(GUI_KEYS) & set(DIALECTS["kohya"].keys) == set()


def test_a_name_twice_is_our_fault() -> None:
    """A table refuses two fates for one key."""
    with pytest.raises(AssertionError):
        table(Key("a", KEPT), Key("a", LOST))


def test_every_option_belongs_to_pictures() -> None:
    """sd-scripts' keys fill options of pictures alone."""
    wanted = {key.to.partition(".")[2] for _, key in TABLES if key.to.startswith("options.")}
    assert wanted <= set(OPTIONS["text-to-image"].__dataclass_fields__)
