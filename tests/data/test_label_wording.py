"""From what a model says to the caption that is trained."""

import pytest

from loraruner.data.label.wording import allowed_tags, caption_of, fault_of, tidy, without_denied
from loraruner.spec.model import Caption

INK = "ancient Chinese ink painting of {caption}, soft brush strokes"


def settings(**changes: object) -> Caption:
    return Caption(model="m", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "changes", "caption"),
    [
        ("a cat", {}, "a cat"),
        ("A cat sits on a mat.", {}, "A cat sits on a mat."),
        ("a cat", {"template": INK}, "ancient Chinese ink painting of a cat, soft brush strokes"),
        ("A cat.", {"template": INK}, "ancient Chinese ink painting of A cat, soft brush strokes"),
        ("a cat", {"template": "{{photo}} {caption}"}, "{photo} a cat"),
        ("a {cat}", {"template": INK}, "ancient Chinese ink painting of a {cat}, soft brush strokes"),
        ("a cat", {"prefix": "neon style"}, "neon style, a cat"),
        ("a cat", {"prefix": "neon style,"}, "neon style, a cat"),
        ("a cat", {"prefix": "a photo of "}, "a photo of a cat"),
        ("a cat", {"prefix": "  "}, "a cat"),
        ("a cat", {"suffix": "soft light"}, "a cat, soft light"),
        ("a cat.", {"suffix": "soft light"}, "a cat, soft light"),
        ("a cat", {"suffix": ", soft light"}, "a cat, soft light"),
        ("a cat", {"suffix": " in soft light"}, "a cat in soft light"),
        ("a cat", {"suffix": "."}, "a cat."),
        (
            "a cat",
            {"prefix": "zxy", "template": "ink of {caption}", "suffix": "soft light"},
            "zxy, ink of a cat, soft light",
        ),
        ("red, dog, sky", {"prefix": "zxy"}, "zxy, red, dog, sky"),
    ],
)
def test_template_and_ends(said: str, changes: dict[str, object], caption: str) -> None:
    """The template goes around what was said, prefix and suffix around that, each parted as people would write it."""
    assert caption_of(said, settings(**changes)) == caption


@pytest.mark.parametrize(
    ("said", "tidied"),
    [
        ("  a\tcat \n on  a mat ", "a cat on a mat"),
        ("a cat , a dog .", "a cat, a dog."),
        ("half a char\ufffd", "half a char"),
        ("a\x00b\x1b[31m\x85c", "a b [31m c"),
        ("Größe 3.5 m, 水墨画", "Größe 3.5 m, 水墨画"),
    ],
)
def test_one_tidy_line(said: str, tidied: str) -> None:
    """White space, control characters and broken characters become single spaces; nothing else changes."""
    assert tidy(said) == tidied


@pytest.mark.parametrize(
    ("said", "deny", "left"),
    [
        ("a cat with a watermark", ["watermark"], "a cat"),
        ("a cat with a watermark.", ["watermark"], "a cat."),
        ("a cat with a watermark, in the sun", ["watermark"], "a cat, in the sun"),
        ("watermark, a cat", ["watermark"], "a cat"),
        ("a cat, watermark, a dog", ["watermark"], "a cat, a dog"),
        ("a Watermark of the WATERMARK", ["watermark"], ""),
        ("a watermark on a cat", ["watermark"], "on a cat"),
        ("watermarked cats", ["watermark"], "watermarked cats"),
        ("a stock photo of a cat", ["stock photo", "stock"], "a cat"),
        ("a stock  photo", ["stock photo"], ""),
        ("a cat (text)", ["text"], "a cat"),
        ('a sign saying "text"', ["text"], "a sign saying"),
        ("a cat and text and a dog", ["text"], "a cat and a dog"),
        ("text and signature", ["text", "signature"], ""),
        ("C++ code", ["c++"], "code"),
        ("a cat", [".*"], "a cat"),
        ("山水画水印", ["水印"], "山水画"),
        ("un café noir", ["caf"], "un café noir"),
        ("a cat", [" "], "a cat"),
    ],
)
def test_denied_words(said: str, deny: list[str], left: str) -> None:
    """Whole words and phrases go, in any case, with articles and links that would dangle before them."""
    assert without_denied(said, tuple(deny)) == left


def test_untouched_without_a_hit() -> None:
    """A text that holds nothing denied stays as it is, odd punctuation and all."""
    assert without_denied(", a cat ;; (  )", ("dog",)) == ", a cat ;; (  )"


@pytest.mark.parametrize("said", ["", " , . ", "watermark", "the watermark.", "()"])
def test_nothing_left(said: str) -> None:
    """Where nothing is left of what was said there is no caption, whatever template and prefix say."""
    caption = caption_of(said, settings(template=INK, prefix="zxy", deny=("watermark",)))
    assert caption == ""
    assert fault_of(caption) == "nothing is left of what the captioner said about it"


def test_only_what_was_said_is_denied() -> None:
    """The user's own words stay, also those that are denied to the model."""
    changes = {"template": "watermark of {caption}", "prefix": "watermark", "deny": ("watermark",)}
    assert caption_of("a watermark cat", settings(**changes)) == "watermark, watermark of a cat"


def test_too_long() -> None:
    """A caption longer than training reads is a fault; the longest that it reads is none."""
    assert fault_of("a" * 10_000) == ""
    assert fault_of("a" * 10_001) == "its caption would have 10,001 characters, more than 10,000"


def test_denied_tags_go_whole() -> None:
    """A tag that holds a denied word is never chosen; others keep their order."""
    vocabulary = ("text", "cat", "Text art", "context", "dog")
    assert allowed_tags(settings(vocabulary=vocabulary, deny=("text",))) == ["cat", "context", "dog"]
    assert allowed_tags(settings(vocabulary=vocabulary)) == list(vocabulary)
