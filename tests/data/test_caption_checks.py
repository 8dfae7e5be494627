"""Captions: each kind of fault is found where it is, and not where it only seems to be."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraruner.data.quality.captions import check_captions
from loraruner.data.quality.findings import Finding
from loraruner.data.quality.words import normalised, num_words
from loraruner.spec.model import Checks, Quality

NAMES = tuple(field.name for field in dataclasses.fields(Checks))


def only(kind: str) -> Checks:
    """One check on, all others off."""
    return Checks(**{name: "warn" if name == kind else "off" for name in NAMES})


def found(kind: str, *texts: str, quality: Quality | None = None) -> list[tuple[str, str]]:
    """Sample and detail of the findings of one kind; samples are a, b, c."""
    asked = dataclasses.replace(quality or Quality(), checks=only(kind))
    findings = check_captions(list(zip("abcdefgh", texts, strict=False)), asked, len, 77)
    assert {each.kind for each in findings} <= {kind}
    return [(each.sample, each.detail) for each in findings]


def test_identical_captions_name_the_first() -> None:
    """Case, punctuation, spaces and forms of a letter make no other caption; all but the first are findings."""
    texts = ("A red cat, asleep.", "a dog", "a  RED cat - asleep", "a red\uff43at asleep", "A red \uff43at asleep!")
    detail = "has the same caption as a"
    assert found("identical_caption", *texts) == [("c", detail), ("e", detail)]


def test_signs_and_marks_tell_captions_apart() -> None:
    """Emoji, other scripts' vowel signs and captions of punctuation alone are compared by what they are."""
    assert found("identical_caption", "\U0001f389", "\U0001f38a", "\u0915\u093f", "\u0915\u0940", "?", "!") == []
    assert found("identical_caption", "?", "?") == [("b", "has the same caption as a")]


@pytest.mark.parametrize(
    "text, words",
    [
        ("a photo-realistic cat's eye", 4),
        ("1girl,solo,red_hair", 4),
        ("...", 0),
        ("\u4e00\u5e45\u6c34\u58a8\u5c71\u6c34\u753b", 4),  # seven Chinese characters
        ("\u6c34\u58a8\u5c71\u6c34", 2),
        ("\u6c34\u58a8 in the mist", 4),
        ("\ud55c\uad6d\uc5b4 \ubb38\uc7a5 \uc785\ub2c8\ub2e4", 3),  # Korean has spaces
        ("\u0e17\u0e30\u0e40\u0e25\u0e2a\u0e27\u0e22\u0e07\u0e32\u0e21", 3),  # ten Thai characters
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u0932\u093f\u0916\u093e", 3),
    ],
)
def test_words_are_counted_in_every_script(text: str, words: int) -> None:
    """Spaces and punctuation part words; two characters of Chinese or four of Thai count as one."""
    assert num_words(text) == words


def test_short_captions() -> None:
    """Fewer words than asked for is short, that many is not; 0 asks for none."""
    assert found("short_caption", "a cat", "a red cat", ".") == [
        ("a", "has a caption of 2 words, fewer than 3"),
        ("c", "has a caption of 0 words, fewer than 3"),
    ]
    assert found("short_caption", ".", quality=Quality(min_caption_words=0)) == []


@pytest.mark.parametrize(
    "text",
    [
        *("A beautiful landscape!", "the beautiful landscape", "Photo", "An  image.", "of a photo"),
        *("a very beautiful landscape", "beautiful landscapes", "an amazing photo, masterpiece, best quality, 8k"),
        "masterpiece, best quality",
    ],
)
def test_vague_captions(text: str) -> None:
    """A vague caption is found, whatever its case, articles, plurals, praise and punctuation; praise alone is one."""
    assert found("vague_caption", text) == [("a", "has a vague caption: it would fit almost any picture")]


@pytest.mark.parametrize(
    "text", ["a beautiful landscape with two oaks", "a photo of a cat", "a good boy", "photosynthesis", "?"]
)
def test_captions_that_say_more_are_not_vague(text: str) -> None:
    """A vague phrase with something beside it says something."""
    assert found("vague_caption", text, quality=Quality(trigger="neon style")) == []


@pytest.mark.parametrize(
    "text", ["neon style", "a photo of neon style", "Neon Style, a beautiful landscape.", "in neon style"]
)
def test_a_vague_caption_with_the_trigger_is_vague(text: str) -> None:
    """The trigger word alone, or beside a vague phrase, says nothing about the picture."""
    quality = Quality(trigger="neon style")
    assert found("vague_caption", text, quality=quality) == [("a", "has a vague caption: it names only the trigger")]


def test_long_captions_tell_both_numbers() -> None:
    """A caption longer than the tokenizer takes is found with both numbers, one that just fits is not."""
    expected = "has a caption of 1,078 tokens, more than 77: the rest would be cut off"
    assert found("long_caption", "x" * 77, "x" * 1078) == [("b", expected)]
    assert check_captions([("a", "x" * 999)], Quality(checks=only("long_caption")), None, 0) == ()


@pytest.mark.parametrize(
    "text, styles",
    [
        ("a cartoon of a realistic cat", ("cartoon", "realistic")),
        ("photo-realistic anime girl", ("photo-realistic", "anime")),
        ("photo realistic anime girl", ("photo-realistic", "anime")),
        ("MANGA, photographs", ("manga", "photograph")),
        ("a cat in comic book style, realistic", ("comic", "realistic")),
        ("no text, a cartoon, realistic shading", ("cartoon", "realistic")),
        ("line art over a photograph, not a comic", ("line art", "photograph")),
        ("it is not a cartoon but a realistic anime", ("realistic", "anime")),
    ],
)
def test_clashing_styles(text: str, styles: tuple[str, str]) -> None:
    """Words of two lists clash in any case, with a plural's s, hyphen or space, and are told as the job writes them."""
    assert found("clashing_styles", text) == [("a", f"mixes styles in its caption: {styles[0]!r} and {styles[1]!r}")]


@pytest.mark.parametrize(
    "text",
    [
        "a non-realistic cartoon",
        "a comic book on a table, photograph",
        "an anime figurine, photorealistic",
        "semi-realistic anime portrait",
        "a comic-con crowd, photography",
        "realistic, children before a cartoon mural",
        "a cartoon, not realistic",
        "a cartoon, not very realistic",
        "realistic, no cartoon or anime",
        "realistic, neither manga nor comic style",
        "realistic rather than cartoon",
        "a photograph instead of a cartoon",
        "unrealistic cartoon",
        "a cartoonist with a photograph",
        "photosynthesis in a cartoon leaf",
        "photo-realistic and realistic",
        "cartoon, anime and manga",
    ],
)
def test_styles_that_do_not_clash(text: str) -> None:
    """Denied words, parts of other words and several words of one list are no clash."""
    assert found("clashing_styles", text) == []


def test_the_longest_phrase_is_meant() -> None:
    """A phrase that holds a phrase of another list counts as itself alone."""
    quality = Quality(clashing_styles=(("comic", "flat"), ("comic book photo", "flat"), ("",)))
    assert found("clashing_styles", "a comic book photo", "flat", quality=quality) == []
    assert found("clashing_styles", "a comic, a comic book photo", quality=quality) != []


def test_styles_in_scripts_without_spaces() -> None:
    """Chinese phrases are found inside a text without spaces."""
    quality = Quality(clashing_styles=(("\u5361\u901a", "\u52a8\u6f2b"), ("\u5199\u5b9e",)))
    shown = "mixes styles in its caption: '\u5199\u5b9e' and '\u5361\u901a'"
    assert found("clashing_styles", "\u4e00\u5f20\u5199\u5b9e\u7684\u5361\u901a\u732b", quality=quality) == [
        ("a", shown)
    ]
    assert found("clashing_styles", "\u52a8\u6f2b\u5361\u901a\u732b", quality=quality) == []


@pytest.mark.parametrize(
    "trigger, text, missing",
    [
        ("neon style", "a cat in NEON  Style!", False),
        ("neon style", "neon styles", True),
        ("neon style", "xneon style", True),
        ("neon", "neon_style", False),
        ("neon style", "neon-style", True),
        ("<sks>", "a <sks>cat", False),
        ("\u6c34\u58a8", "\u4e00\u5e45\u6c34\u58a8\u753b", False),
        ("neon", "\u4e00\u5e45neon\u753b", False),
        ("(a+)+$", "aaaaaaaa", True),
    ],
)
def test_missing_trigger(trigger: str, text: str, missing: bool) -> None:
    """The trigger counts as a whole word in any case; its own signs count, and no pattern is read into it."""
    expected = [("a", f"has a caption without the trigger {trigger!r}")] if missing else []
    assert found("trigger_missing", text, quality=Quality(trigger=trigger)) == expected


def test_without_a_trigger_none_is_missing() -> None:
    """No trigger, no finding."""
    assert found("trigger_missing", "anything") == []


def test_findings_keep_the_order_of_samples_and_checks() -> None:
    """Samples come in their order, the findings of one in the order of the checks."""
    quality = Quality(trigger="neon style")
    findings = check_captions([("b", "a photo"), ("a", "A photo")], quality, lambda text: 100, 77)
    first = ["short_caption", "vague_caption", "long_caption", "trigger_missing"]
    assert [each.kind for each in findings] == [*first, "identical_caption", *first]
    assert [each.sample for each in findings] == ["b"] * 4 + ["a"] * 5


def test_checks_that_are_off_are_not_run() -> None:
    """With every check off nothing is found, and nobody counts tokens."""

    def count(text: str) -> int:
        raise AssertionError("counted")

    quality = Quality(checks=Checks(**dict.fromkeys(NAMES, "off")), trigger="x")
    assert check_captions([("a", "a photo"), ("b", "a photo")], quality, count, 1) == ()


@given(st.lists(st.text(), max_size=4), st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=9))
def test_any_text_can_be_checked(texts: list[str], trigger: str, phrase: str) -> None:
    """No caption, trigger or phrase makes the check fail, and the same input gives the same findings."""
    quality = Quality(trigger=trigger, vague_captions=(phrase,), clashing_styles=((phrase,), (trigger,)))
    captions = [(str(place), text) for place, text in enumerate(texts)]
    findings = check_captions(captions, quality, len, 5)
    assert findings == check_captions(captions, quality, len, 5)
    assert all(isinstance(each, Finding) for each in findings)


@given(st.text())
def test_case_and_spaces_never_count(text: str) -> None:
    """A text in small letters with other spaces around and between its words compares as the text itself."""
    assert normalised(text.casefold()) == normalised(text)
    assert normalised(f" \n{text} ".replace(" ", " \t")) == normalised(" ".join(text.split()))
