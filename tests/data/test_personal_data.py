"""Personal data in texts: what is found, what only looks like it, and that no finding repeats it."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.quality import phones
from loraruner.data.quality.personal import MAX_CHARS, find_personal, told
from tests.support.personal_texts import CARD, MAIL, NUM_EACH, OTHERS, PHONE, Text, texts

PAGE = Path(__file__).parents[2] / "docs/quality.md"
DRAWN = texts()


def kinds(text: str) -> set[str]:
    return {hit.kind for hit in find_personal(text)}


def figures() -> dict[str, tuple[float, float]]:
    """Recall and precision in per cent, by kind, over the drawn texts."""
    found = [(each, kinds(each.text)) for each in DRAWN]
    right = Counter(kind for each, shown in found for kind in shown & each.kinds)
    all_shown = Counter(kind for _, shown in found for kind in shown)
    return {kind: (100 * right[kind] / NUM_EACH, 100 * right[kind] / all_shown[kind]) for kind in (MAIL, PHONE, CARD)}


def test_the_page_tells_the_measured_figures() -> None:
    """The table in docs/quality.md holds the recall and precision that these texts give, and both are 95 % or more."""
    page = PAGE.read_text(encoding="utf-8")
    measured = figures()
    for kind, (recall, precision) in measured.items():
        assert f"| {kind} | {NUM_EACH} | {recall:.1f} % | {precision:.1f} % |" in page
        assert min(recall, precision) >= 95
    assert f"{len(OTHERS) * NUM_EACH:,} texts with other numbers" in page


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_draws_are_told_as_well(seed: int) -> None:
    """Texts that nothing was tuned on are told apart as well: at most one in a hundred of a kind is wrong."""
    wrong = Counter(kind for each in texts(seed) for kind in kinds(each.text) ^ each.kinds)
    assert all(wrong[kind] <= NUM_EACH / 100 for kind in (MAIL, PHONE, CARD)), wrong


@pytest.mark.parametrize(
    "text, mask",
    [
        ("jane.doe@example.org", "a mail address (j...@e...)"),
        ("a@b.co and c@d.co, a@b.co", "2 mail addresses (a...@b..., c...@d...)"),
        ("info@m\u00fcller.de", "a mail address (i...@m...)"),
        ("\u7528\u6237@\u4f8b\u5b50.\u516c\u53f8", "a mail address (\u7528...@\u4f8b...)"),
        ("Tel. +49 30 901820", "a telephone number (...20)"),
        ("call 1-800-948-4267!", "a telephone number (...67)"),
        ("tel: 030 9018 20, 030 9018 21, 030 9018 22, 030 9018 23", "4 telephone numbers (...20, ...21, ...22, ...)"),
        ("phone \uff10\uff13\uff10 \uff19\uff10\uff11\uff18\uff12\uff10", "a telephone number (...20)"),
        ("phone \u0660\u0663\u0660 \u0669\u0660\u0661\u0668\u0662\u0660", "a telephone number (...20)"),
        ("4111 1111 1111 1111", "a card number (...11)"),
        ("3782-822463-10005", "a card number (...05)"),
        ("+1 212 555 0123 or a@b.co", "a mail address (a...@b...), a telephone number (...23)"),
    ],
)
def test_what_is_told(text: str, mask: str) -> None:
    """A finding counts what is there and shows the first letters of an address, the last two digits of a number."""
    assert told(find_personal(text)) == mask


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:org/repo.git",
        "https://user:secret@host.com/path",
        "ssh://me@host.com/path",
        "icon@2x.png and logo@3x.company",
        "@user @app.route foo@bar x@y.z",
        "@user@mastodon.social",
        "total = A@B.inverse()",
        "pkg@1.2.3",
        "4111 1111 1111 1112",  # no valid check digit
        "41111111 11111111",  # grouped as no card is
        "0000 0000 0000 0000",
        "order 4111 1111 1111 1111",
        "0.4111111111111111",
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "'0123456789'",
        "Boston, MA 02110-1301",
        "Phys. Rev. E 72, 046105 (2005)",
        "read_bytes=18626220032, n=1",
        "x + 14155552671*y",
        "120 0130 01303 02130 0410",
        "open 0900-1530",
        "08. 09. 2013",
        "hotel 1234567",
        "$ 030 901820",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    """Addresses of repositories, code, sums, dates and numbers that fail a check are no personal data."""
    assert find_personal(text) == ()


def test_a_word_before_a_number_decides() -> None:
    """The same digits are a telephone number after "phone", and none after "order" or alone."""
    assert [kinds(f"{word} 5551 2345") for word in ("phone no.", "order no.", "")] == [{PHONE}, set(), set()]
    assert [kinds(f"{word} 030 901820") for word in ("see", "invoice")] == [{PHONE}, set()]


@given(st.text(), st.sampled_from([each for each in DRAWN if each.secrets]), st.text())
def test_no_finding_repeats_the_secret(before: str, drawn: Text, after: str) -> None:
    """Whatever stands around it, what is told of a text holds neither the secret nor more than two of its digits."""
    shown = told(find_personal(f"{before} {drawn.text} {after}"))
    assert all(secret not in shown for secret in drawn.secrets)
    assert not re.search(r"\d{3}", shown)


@given(st.text(alphabet="0123456789 +()-./@aZ_\u0663\uff11\u5b57,:\n$", max_size=300))
def test_any_text_can_be_searched(text: str) -> None:
    """No text makes the search fail, and it finds the same each time."""
    assert find_personal(text) == find_personal(text)


def test_the_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long text the beginning is searched, and a limited number of candidates is judged."""
    assert find_personal("x" * MAX_CHARS + " jane@example.org") == ()
    assert find_personal("x" * (MAX_CHARS - 20) + " jane@example.org") != ()
    judged = []
    monkeypatch.setattr(phones, "_is_phone", lambda *words: judged.append(words))
    assert list(phones.phone_numbers("030 901820\n" * 9000)) == []
    assert len(judged) == phones.MAX_CANDIDATES
