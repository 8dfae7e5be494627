"""A user of ``data label``: the command, and the captions that it wrote as training reads them."""

from pathlib import Path

from loraruner.data.metadata import read_captions
from tests.support.tiny_captioners import write_tiny_blip, write_tiny_clip, write_tiny_git
from tests.support.tiny_vision_language import write_tiny_vision_language
from tests.support.user import Told, User

NUM_TOKENS = 4


def write_captioners(root: Path) -> None:
    """Folders blip, git, clip and llava."""
    write_tiny_blip(root / "blip")
    write_tiny_git(root / "git")
    write_tiny_clip(root / "clip")
    write_tiny_vision_language(root / "llava", "llava")


def label(user: User, source: Path | str, model: Path | str, output: Path, *more: str | Path) -> Told:
    """Run the command; captions are short."""
    few = ("--max-new-tokens", str(NUM_TOKENS))
    return user.run("data", "label", source, "--model", model, "--output", output, *few, *more)


def written(path: Path) -> dict[str, str]:
    """The captions of a metadata file by picture; no line of it may be at fault."""
    found = read_captions({path.name: path}, path.name, path.parent)
    assert found.skipped == ()
    return dict(found.by_file)
