"""The style example's scorer, on pictures whose score is known."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

STYLE = Path(__file__).parents[2] / "examples" / "style"


def load_script(name: str) -> ModuleType:
    """A script of the example as a module."""
    specification = importlib.util.spec_from_file_location(f"style_{name}", STYLE / f"{name}.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


scorer = load_script("score")


def test_training_pictures_score_high() -> None:
    """The control: every real neon picture scores at least 0.85."""
    pictures = scorer.training_pictures()
    assert len(pictures) == 48
    assert min(scorer.score(picture) for picture in pictures) >= 0.85


@pytest.mark.parametrize(
    ("ground", "expected"),
    [
        ((0, 0, 0), 1.0),
        ((255, 255, 255), 0.0),
        ((0, 0, 255), 0.0),
        ((47, 47, 47), 1 - 47 / 255),
        ((90, 0, 0), 0.0),
    ],
)
def test_a_plain_ground_has_a_known_score(ground: tuple[int, int, int], expected: float) -> None:
    """Near-black grounds score by their darkness, bright or coloured ones nothing."""
    assert scorer.score(Image.new("RGB", (64, 64), ground)) == pytest.approx(expected)


def test_a_filled_object_lowers_the_score() -> None:
    """A black ground is not enough: an object that fills more than the allowed share costs in proportion."""
    picture = Image.new("RGB", (64, 64))
    picture.paste((255, 0, 0), (8, 8, 56, 56))
    assert scorer.score(picture) == pytest.approx((1 - 48 * 48 / 64 / 64) / scorer.NEEDED_SHARE)


def test_scored_prompts_are_not_trained() -> None:
    """24 prompts, three of each shape and of each colour; no training caption is among them."""
    prompts = scorer.prompts()
    trained = {row["text"] for row in scorer._rows()}
    assert len(prompts) == 24
    assert not trained & set(prompts)
    for word in (*scorer.SHAPES, *scorer.COLOURS):
        assert sum(word in prompt.split() for prompt in prompts) == 3


def test_captions_tell_nothing_about_the_ground() -> None:
    """Captions that contradict the picture halve the effect: the style alone speaks of the ground."""
    for row in scorer._rows():
        assert row["text"].startswith("neon style, a")
        assert len(row["text"].split()) == 5


def test_pictures_are_drawn_again_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that drew the committed pictures draws the same pixels and captions again."""
    pictures = load_script("make_pictures")
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "pictures")
    pictures.main()
    for file in sorted((STYLE / "pictures").glob("*.png")):
        with Image.open(file) as committed, Image.open(tmp_path / "pictures" / file.name) as drawn:
            assert committed.tobytes() == drawn.tobytes(), file.name
    assert (tmp_path / "pictures" / "metadata.csv").read_bytes() == (STYLE / "pictures" / "metadata.csv").read_bytes()


def test_job_tries_untrained_prompts() -> None:
    """The prompts with the style's words in the job are ones that the training set does not hold."""
    job = json.loads((STYLE / "job.json").read_text(encoding="utf-8"))
    styled = [prompt for prompt in job["sampling"]["prompts"] if prompt.startswith("neon")]
    assert len(styled) >= 6
    assert set(styled) <= set(scorer.prompts())
