"""Rows: doubles, answers that are empty or too long, mixtures of forms and languages, personal data."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.quality.rows import check_rows
from loraruner.data.row_forms import row_from
from loraruner.data.samples import Message, Row
from loraruner.spec.model import Checks, Quality
from tests.support.written_rows import SENTENCES

NAMES = tuple(field.name for field in dataclasses.fields(Checks))


def asked(question: str, *answers: str, id: str = "") -> Row:
    """A conversation: a question, then each answer, with more questions between."""
    turns = [Message(role, text) for answer in answers for role, text in (("user", question), ("assistant", answer))]
    return Row(id, messages=tuple(turns), form="messages")


def found(
    kind: str, *rows: Row, count_tokens: Callable[[str], int] | None = None, quality: Quality | None = None
) -> list[tuple[str, str]]:
    """Row (1, 2, ...) and detail of the findings of one kind."""
    checks = Checks(**{name: "warn" if name == kind else "off" for name in NAMES})
    numbered = [dataclasses.replace(row, id=str(place)) for place, row in enumerate(rows, start=1)]
    findings = check_rows(numbered, dataclasses.replace(quality or Quality(), checks=checks), count_tokens, 20)
    assert {each.kind for each in findings} <= {kind}
    return [(each.sample, each.detail) for each in findings]


@pytest.mark.parametrize(
    "value, form",
    [
        ({"text": "x"}, "text"),
        ({"prompt": "x", "completion": "y"}, "prompt"),
        ({"instruction": "x", "output": "y", "text": "all"}, "instruction"),
        ({"messages": [{"role": "assistant", "content": "y"}]}, "messages"),
        (
            {"prompt": [{"role": "user", "content": "x"}], "completion": [{"role": "assistant", "content": "y"}]},
            "prompt",
        ),
    ],
)
def test_rows_know_their_form(value: dict[str, Any], form: str) -> None:
    """Each row tells the form it was written in, and equals the same row of another form."""
    row = row_from("r:1", value)
    assert row.form == form
    assert row == dataclasses.replace(row, form="other")


def test_duplicates_name_the_first() -> None:
    """Case, spaces, quotes and marks at the ends of words make no other row, nor does the form; the first is named."""
    rows = (
        asked("What is it?", "A  clock."),
        asked("what is it", "a clock"),
        Row("", prompt="What is it?", text="A clock."),
        asked("What is \u201cit\u201d?", "A clock."),
    )
    assert found("duplicate_row", *rows) == [("2", "is the same as 1"), ("3", "is the same as 1")]


@pytest.mark.parametrize(
    "one, other",
    [
        (asked("What is it?", "A clock."), asked("What is it?", "A watch.")),
        (asked("What is it?", "A clock."), asked("What is that?", "A clock.")),
        (Row("", text="a - b"), Row("", text="a + b")),
        (Row("", text="3.14"), Row("", text="314")),
        (Row("", text="x[1]"), Row("", text="x(1)")),
        (Row("", prompt="a", text="b c"), Row("", prompt="a b", text="c")),
        (Row("", messages=(Message("user", "a"), Message("assistant", "b"))),
         Row("", messages=(Message("assistant", "a"), Message("user", "b")))),
    ],
)  # fmt: skip
def test_other_rows_are_no_duplicates(one: Row, other: Row) -> None:
    """Another answer, question, sign, number or role makes another row."""
    assert found("duplicate_row", one, other) == []


@pytest.mark.parametrize(
    "answer, empty",
    [
        ("...", True),
        ("\U0001f44d", False),
        ("[]", True),
        ("\u2014 \n", True),
        ("", True),
        ("7", False),
        ("\u0661", False),
        ("\u662f", False),
        ("\u0939\u093e\u0901", False),
    ],
)
def test_empty_answers(answer: str, empty: bool) -> None:
    """An answer without emoji, letter or digit of any script is found, in every turn that is trained and no other."""
    expected = [("1", "has an answer without a letter, digit or emoji")] if empty else []
    assert found("empty_answer", Row("", prompt="yes", text=answer)) == expected
    assert found("empty_answer", asked("?", "yes", answer)) == expected
    assert found("empty_answer", asked(answer, "yes")) == []


def test_long_answers_are_counted_in_words_and_tokens() -> None:
    """The words of one answer count, not of all; tokens count where the base can count them."""
    quality = Quality(max_answer_words=4)
    rows = (asked("one two three four five six", "one two three four", "five six"), asked("?", "ok", "a b c d e"))
    words = ("2", "has an answer of 5 words, more than 4")
    assert found("long_answer", *rows, quality=quality) == [words]
    assert found("long_answer", *rows, quality=quality, count_tokens=len) == [words]
    tokens = "has an answer of 1,200 tokens, more than 20: the rest would be cut off"
    assert found("long_answer", Row("", text="x" * 20), Row("", text="x" * 1200), count_tokens=len) == [("2", tokens)]
    chinese = Row("", text="\u6211" * 10)
    assert found("long_answer", chinese, quality=quality) == [("1", "has an answer of 5 words, more than 4")]


def test_mixed_forms_name_the_usual_one() -> None:
    """Rows of the rarer forms are found, with the usual form and its share; one form alone is no mixture."""
    usual = [Row("", text=str(number), form="instruction") for number in range(1499)]
    detail = "has the form {messages}, 1,499 of 1,500 rows have {instruction, output}"
    assert found("mixed_forms", *usual, asked("a", "b")) == [("1500", detail)]
    assert found("mixed_forms", *usual) == []
    assert found("mixed_forms", Row("", text="a"), Row("", text="b", form="text")) == []


def test_of_two_equal_forms_the_first_by_name_is_usual() -> None:
    """A tie is decided by name, not by order, so that the same rows give the same findings."""
    rows = (Row("", text="a", form="text"), Row("", text="b", form="prompt"))
    detail = "has the form {text}, 1 of 2 rows have {prompt, completion}"
    assert found("mixed_forms", *rows) == [("1", detail)]
    assert found("mixed_forms", *rows[::-1]) == [("2", detail)]


def test_mixed_languages_name_the_usual_one() -> None:
    """Answers in a rarer language are found; short answers, and questions in any language, are not."""
    english, german = SENTENCES["en"], SENTENCES["de"]
    rows = [asked(german[place], f"{english[place]} {english[place - 1]}") for place in range(4)]
    rows += [asked(english[0], f"{german[0]} {german[1]}"), asked("Ja?", "Nein."), asked("?", "SELECT a FROM b;")]
    detail = "is in German, 4 of 5 rows that could be told are in English"
    assert found("mixed_languages", *rows) == [("5", detail)]


def test_one_language_is_no_mixture() -> None:
    """A set in one language has no finding, nor has one of which nothing can be told."""
    assert found("mixed_languages", *(asked("?", " ".join(SENTENCES["zh"])) for _ in range(3))) == []
    assert found("mixed_languages", asked("?", "yes"), asked("?", "ja")) == []


def test_personal_data_of_every_turn_is_masked() -> None:
    """Questions count as well as answers; the finding tells kinds and masks and repeats nothing."""
    row = asked("My mail is jane.doe@example.org", "Call 4111 1111 1111 1111", "or +49 30 901820")
    (detail,) = (detail for _, detail in found("personal_data", row))
    assert detail == (
        "holds what looks like a mail address (j...@e...), a card number (...11), a telephone number (...20)"
    )
    assert found("personal_data", asked("Who?", "Nobody, on 2024-01-15 at 10:30.")) == []


def test_findings_keep_the_order_of_rows_and_checks() -> None:
    """Rows come in their order, the findings of one in the order of the checks."""
    rows = [Row("b:2", text="...", form="text"), Row("a:1", text="...", form="prompt"), Row("c:3", text="a@b.co 1")]
    assert [(each.sample, each.kind) for each in check_rows(rows, Quality(max_answer_words=1), None, 0)] == [
        ("b:2", "empty_answer"),
        ("b:2", "mixed_forms"),
        ("a:1", "duplicate_row"),
        ("a:1", "empty_answer"),
        ("c:3", "long_answer"),
        ("c:3", "personal_data"),
    ]


def test_what_watches_hears_how_far_it_is_and_may_stop_it() -> None:
    """Told before the first row and now and then, never backwards, never more than there are; its error ends all."""
    rows = [Row(str(place), text=f"Answer number {place}.") for place in range(600)]
    told: list[int] = []
    check_rows(rows, Quality(), None, 0, lambda done, total: told.append(done) if total == 600 else None)
    assert told == [0, 256, 512, 600, 600, 600]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_rows(rows, Quality(), None, 0, stop)


def test_checks_that_are_off_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every check off nothing is found, and no language model is loaded."""
    monkeypatch.setattr("loraruner.data.quality.rows.language_of", None)
    checks = Checks(**dict.fromkeys(NAMES, "off"))
    assert check_rows([Row("a", text="..."), Row("b", text="...")], Quality(checks=checks), None, 0) == ()


@given(st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_any_row_can_be_checked(texts: list[tuple[str, str]]) -> None:
    """No row makes the check fail, and the same rows give the same findings."""
    rows = [asked(*pair, id=str(place)) for place, pair in enumerate(texts)]
    findings = check_rows(rows, Quality(max_answer_words=1), len, 5)
    assert findings == check_rows(rows, Quality(max_answer_words=1), len, 5)
    assert all("\n" not in each.detail for each in findings)
