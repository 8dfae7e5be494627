"""Reviews and promotions in a store: added, never changed, and judged again after a lost race."""

import json
from pathlib import Path
from typing import Any

import pytest

from loraruner.errors import SpecInvalid, TemporaryFailure, VersionConflict
from loraruner.registry import events, judging, list_versions, show_version
from loraruner.settings import Settings
from loraruner.stores import open_store
from loraruner.stores.base import Store
from tests.support import published, registered


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    registered.write_version(tmp_path / "loras", version="1")
    registered.write_version(tmp_path / "loras", version="2")
    return tmp_path / "loras"


def test_from_candidate_to_archive(output: Path, operator: Settings) -> None:
    """Each step is one new object with who, when and what, and the list tells of it at once."""
    version = f"{output}/neon-style@1"
    assert (
        judging.review(version, operator, verdict="approved", score=4, comment="Crisp.", by="ada")["status"]
        == "approved"
    )
    assert judging.promote(version, operator, "released", by="grace")["status"] == "released"
    rows = {row["version"]: row for row in list_versions(str(output), operator)}
    assert (rows["1"]["status"], rows["1"]["score"], rows["1"]["reviews"]) == ("released", 4.0, 1)
    assert judging.promote(version, operator, "archived", by="grace", comment="old")["status"] == "archived"
    event = json.loads((output / "neon-style/reviews/1/0001.json").read_text())
    assert {key: event[key] for key in ("format", "version", "verdict", "score", "by", "comment")} == {
        "format": 1, "version": "1", "verdict": "approved", "score": 4, "by": "ada", "comment": "Crisp."
    }  # fmt: skip
    assert [path.name for path in sorted((output / "neon-style/promotions/1").iterdir())] == ["0001.json", "0002.json"]
    life = show_version(version, operator)["life"]
    assert [move["to"] for move in life["promotions"]] == ["released", "archived"]


@pytest.mark.parametrize("to", ["released", "candidate"])
def test_a_move_that_is_not_allowed(output: Path, operator: Settings, to: str) -> None:
    """73 with the reason, and nothing is written."""
    registered.write_review(output, verdict="rejected")
    with pytest.raises(VersionConflict, match=f"versions/1: can't become {to}: "):
        judging.promote(f"{output}/neon-style@1", operator, to, by="grace")
    assert not (output / "neon-style/promotions").exists()


def test_where_it_is_already(output: Path, operator: Settings) -> None:
    """A version that is there already gets no second event."""
    registered.write_review(output)
    version = f"{output}/neon-style/versions/1"
    assert judging.promote(version, operator, "released", by="grace")["changed"] is True
    assert judging.promote(version, operator, "released", by="grace")["changed"] is False
    assert len(list((output / "neon-style/promotions/1").iterdir())) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "says something"),
        ({"score": 6}, "no number from 1 to 5"),
        ({"score": float("nan")}, "no number from 1 to 5"),
        ({"verdict": "great"}, "is none"),
        ({"comment": "x" * 2001}, "2,001 characters"),
        ({"comment": "a\x1b[2J"}, "nobody can see"),
        ({"verdict": "approved", "by": " "}, "nobody is named"),
    ],
)
def test_a_review_that_is_none(output: Path, operator: Settings, given: dict[str, Any], told: str) -> None:
    """64 in one sentence, and nothing is written."""
    with pytest.raises(SpecInvalid, match=told):
        judging.review(f"{output}/neon-style@1", operator, **{"by": "ada", **given})
    assert not (output / "neon-style/reviews").exists()


def test_a_copy_has_no_life(output: Path, operator: Settings, tmp_path: Path) -> None:
    """A version folder outside of its NAME can be shown, and not reviewed."""
    registered.write(tmp_path / "copy/manifest.json", registered.manifest())
    assert show_version(str(tmp_path / "copy"), operator)["life"] is None
    with pytest.raises(SpecInvalid, match="is a copy outside of its NAME"):
        judging.review(str(tmp_path / "copy"), operator, verdict="approved", by="ada")


class Racing:
    """A store in which somebody else writes the next event first, ``times`` times."""

    def __init__(self, store: Store, other: bytes, times: int) -> None:
        self._store, self._other, self._left = store, other, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, key: str, data: bytes, **condition: Any) -> str:
        if self._left:
            self._left -= 1
            self._store.write(key, self._other)
        return self._store.write(key, data, **condition)


def racing(output: Path, operator: Settings, times: int, **other: Any) -> Racing:
    event = {"format": 1, "version": "1", "by": "bob", "when": registered.WHEN, "comment": "", **other}
    return Racing(open_store(f"{output}/neon-style", operator), json.dumps(event).encode(), times)


def test_a_lost_race_is_judged_again(output: Path, operator: Settings) -> None:
    """Two promotions at once: the second one is asked of the new state, under the next number."""
    store = racing(output, operator, 1, to="archived", sequence=1, after_review=0)
    asked = []

    def decide(life: Any, lives: Any) -> dict[str, Any]:
        asked.append(life.status)
        return {"version": "1", "to": "candidate", "sequence": 2, "after_review": 0, **events.said("ada", "")}

    events.append(store, events.PROMOTIONS, "1", decide)
    assert asked == ["candidate", "archived"]
    assert events.list_lives(open_store(f"{output}/neon-style", operator))["1"].status == "candidate"
    assert sorted(path.name for path in (output / "neon-style/promotions/1").iterdir()) == ["0001.json", "0002.json"]


def test_others_are_always_first(output: Path, operator: Settings) -> None:
    """75 after many lost races, and no event of others was changed."""
    store = racing(output, operator, 10**6, verdict="approved")
    with pytest.raises(TemporaryFailure, match="events came first"):
        events.append(store, events.REVIEWS, "1", lambda life, lives: {"version": "1"})


def test_a_store_without_conditions(output: Path, operator: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be created exclusively an event is kept under a name of its own too, and counts once."""
    store = registered.Careless(open_store(f"{output}/neon-style", operator))
    who = {"version": "1", "verdict": "approved", "score": 3, **events.said("ada", "")}
    events.append(store, events.REVIEWS, "1", lambda life, lives: who)
    assert "cannot create exclusively" in caplog.text
    names = sorted(path.name for path in (output / "neon-style/reviews/1").iterdir())
    assert names[1] == "0001.json" and names[0].startswith("0001-")
    (output / "neon-style/reviews/1/0001.json").write_text("somebody else's, written over it")
    life = events.list_lives(open_store(f"{output}/neon-style", operator))["1"]
    assert (life.status, len(life.reviews)) == ("approved", 1)


FAKES: list[object] = [
    *("", [], {}, "x", None, 5),
    {"format": 2},
    *({"verdict": "famous"}, {"score": 11}, {"score": True}, {"score": "5"}, {"by": 3}, {"when": "today"}),
    *({"when": "2026-11-22T08:00:00"}, {"when": "9999-12-31T23:59:59-14:00"}, {"comment": ["x"]}),
]


@pytest.mark.parametrize("fake", FAKES)
def test_events_that_were_faked(
    output: Path, operator: Settings, fake: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged or faked event is told and not counted; the others are."""
    registered.write_review(output, 1, score=3)
    if isinstance(fake, dict) and fake:
        registered.write_review(output, 2, **fake)
    else:
        registered.write(output / "neon-style/reviews/1/0002.json", fake)
    (first, _) = list_versions(f"{output}/neon-style", operator)
    assert (first["status"], first["score"], first["reviews"]) == ("approved", 3.0, 1)
    assert "0002.json is no event of ours" in caplog.text


@pytest.mark.parametrize("move", [{"to": "famous"}, {"sequence": 10**12}, {"sequence": -1}, {"after_review": "x"}])
def test_promotions_that_were_faked(output: Path, operator: Settings, move: dict[str, Any]) -> None:
    """A move that nobody could make releases nothing."""
    event = {"format": 1, "version": "1", "by": "x", "when": registered.WHEN, "comment": "", "to": "released"}
    path = output / "neon-style/promotions/1/0001.json"
    registered.write(path, {**event, "sequence": 1, "after_review": 0, **move})
    assert [row["status"] for row in list_versions(f"{output}/neon-style", operator)] == ["candidate", "candidate"]


def test_events_are_bounded(output: Path, operator: Settings) -> None:
    """An event that is too large is not read, and texts of others are cut and made visible."""
    registered.write_review(output, 1, comment="a\x1b]0;x" + "c" * 9000)
    registered.write_review(output, 2, comment="d" * 200_000)
    life = events.list_lives(open_store(f"{output}/neon-style", operator))["1"]
    assert [len(each.comment) for each in life.reviews] == [events.MAX_COMMENT]
    assert "\x1b" not in life.reviews[0].comment
