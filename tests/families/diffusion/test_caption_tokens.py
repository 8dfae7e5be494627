"""How many tokens CLIP makes of a caption, and how many it takes."""

import shutil
from pathlib import Path

import pytest

from loraruner.errors import DataInvalid
from loraruner.families.diffusion import FAMILY, base_model
from loraruner.families.diffusion.caption_tokens import token_limit
from tests.support.original_layout import write_single_file

CAPTIONS = ("", "neon style, a yellow circle", "Ünïcode 你好 🦊, it's 12 o'clock", "a  b\tc\nd", "word " * 90)


@pytest.fixture(scope="module")
def bare(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tokenizer alone, which says nothing of its positions."""
    folder = tmp_path_factory.mktemp("tokenizer") / "bare"
    shutil.copytree(tiny_base / "tokenizer", folder)
    (folder / "tokenizer_config.json").unlink()
    return folder


def test_counts_are_those_of_encoding(tiny_base: Path, bare: Path) -> None:
    """Every way to CLIP's tokenizer counts what encoding would make of a caption, without its two marks, up to 75."""
    tokenizer = base_model.load_tokenizer(tiny_base)
    encoded = [len(tokenizer(caption).input_ids) - 2 for caption in CAPTIONS]
    for base in (None, tiny_base, bare):
        limit = token_limit(base)
        assert [limit.count(caption) for caption in CAPTIONS] == encoded
        assert limit.limit == 75
    assert encoded[0] == 0 and encoded[-1] == 90


def test_the_family_counts_without_a_job(tiny_base: Path) -> None:
    """Without a base the tokenizer of Stable Diffusion 1.x, which ships, is taken."""
    limit = FAMILY.token_limit(None, None)
    assert limit is not None and (limit.count("a yellow circle"), limit.limit) == (3, 75)


def test_a_single_file_counts_with_its_own_tokenizer(tiny_base: Path, tmp_path: Path) -> None:
    """One file in the original layout is a base too."""
    write_single_file(tiny_base, tmp_path / "tiny.safetensors")
    assert token_limit(tmp_path / "tiny.safetensors").count("a yellow circle") == 3


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"tokenizer.json": "{}"},
        {"tokenizer.json": "no JSON"},
        {"vocab.json": "[]", "merges.txt": "x"},
        {"vocab.json": '{"a": 0, "b": 1, "ab": 2}', "merges.txt": "#version\na b"},
    ],
)
def test_other_tokenizers_are_refused(tmp_path: Path, files: dict[str, str]) -> None:
    """65 that names the folder, for files that are missing, damaged or of another vocabulary."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataInvalid, match=rf"{tmp_path}: holds no tokenizer of CLIP \(.+\); name a base model"):
        token_limit(tmp_path)
