"""Sample prompts: lines with marks, and the keys of the web page."""

import pytest

from loraruner.importers import NotImported, Request, Source
from loraruner.importers.samples import Prompt, parse
from tests.support.imports import at, kohya, lora_scripts, row


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        ("a harbour", Prompt("a harbour")),
        ("a --n b, c --w 512 --h 768 --l 7 --s 24 --d 1337",
         Prompt("a", {"n": "b, c", "w": "512", "h": "768", "l": "7", "s": "24", "d": "1337"})),
        ("a, --n b  --D 3", Prompt("a,", {"n": "b", "d": "3"})),
        ("--n b", Prompt("", {"n": "b"})),
        ("a well-known --like thing", Prompt("a well-known", {"like": "thing"})),
        ("a --n", Prompt("a", {"n": ""})),
    ],
)  # fmt: skip
def test_a_line(line: str, prompt: Prompt) -> None:
    """Text up to the first mark, and what follows each mark."""
    assert parse(line) == [prompt]


def test_lines_that_say_nothing() -> None:
    """Comments and empty lines are no prompts."""
    assert [prompt.text for prompt in parse("# comment\n\n a\n  \nb\n")] == ["a", "b"]


def request(text: str) -> Request:
    return Request(prompts=Source("prompts.txt", text.encode()))


def test_a_file_of_prompts() -> None:
    """Prompts, seed, negative prompt, guidance and steps; a size is told to be dropped."""
    imported = kohya(request("a --n b --w 512 --l 7.5 --s 30 --d 9\nc\n"))
    assert imported.job["sampling"] == {"prompts": ["a", "c"], "seed": 9}
    assert (at(imported, "options.negative_prompt"), at(imported, "options.guidance_scale")) == ("b", 7.5)
    assert at(imported, "options.sample_steps") == 30
    assert row(imported, "--sample-prompts --w").verdict == "dropped"


def test_marks_that_differ() -> None:
    """A job draws all prompts alike: the first line's value counts, and that is told."""
    imported = kohya(request("a --l 7\nb --l 9\n"))
    assert (at(imported, "options.guidance_scale"), row(imported, "--sample-prompts --l").verdict) == (7, "changed")


def test_weights_are_plain_text() -> None:
    """The notation (word:1.2) is kept as text, and that is told."""
    imported = kohya(request("(masterpiece, best quality:1.2), 1girl\n"))
    assert "(word:1.2)" in row(imported, "--sample-prompts").reason


def test_more_prompts_than_a_job_tries() -> None:
    """The first 64 are taken."""
    imported = kohya(request("\n".join(f"prompt {number}" for number in range(70))))
    assert len(at(imported, "sampling.prompts")) == 64
    assert row(imported, "--sample-prompts").verdict == "changed"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# nothing\n", "--sample-prompts holds no prompt"),
        ("--n only\n", "--sample-prompts holds no prompt"),
        ("a --s many\n", '--sample-prompts: --s = "many" is no whole number'),
        ("a --s 5000\n", "--sample-prompts --s -> $.options.sample_steps: 5000 is more than the maximum 1000"),
    ],
)
def test_prompts_that_cannot_be_read(text: str, told: str) -> None:
    """What is wrong with the lines."""
    with pytest.raises(NotImported) as error:
        kohya(request(text))
    assert error.value.problems[0].startswith(told)


def test_lines_inside_the_configuration() -> None:
    """lora-scripts writes the prompt itself where sd-scripts names a file."""
    imported = kohya(sample_prompts='"a --n b --d 3"')
    assert (at(imported, "sampling.prompts"), at(imported, "sampling.seed")) == (["a"], 3)


def test_a_file_named_in_the_configuration() -> None:
    """Files that a configuration names are not read: the user names them."""
    imported = kohya(sample_prompts='"/etc/passwd.txt"')
    assert at(imported, "sampling") is None
    assert "--sample-prompts" in row(imported, "sample_prompts").reason


def test_the_web_page() -> None:
    """Its keys for the preview pictures, unless the preview is off."""
    keys: dict[str, str | None] = {"positive_prompts": '"a"', "negative_prompts": '"b"', "sample_seed": "3"}
    imported = kohya(**keys)
    assert (at(imported, "sampling.prompts"), at(imported, "options.negative_prompt")) == (["a"], "b")
    silent = kohya(**keys, enable_preview="false")
    assert (at(silent, "sampling"), at(silent, "options")) == (None, None)
    assert {row(silent, key).verdict for key in keys} == {"dropped"}


def test_which_prompts_count() -> None:
    """--sample-prompts goes before the page's prompt, and that before lines in the file."""
    keys: dict[str, str | None] = {"positive_prompts": '"page"', "sample_prompts": '"lines --n x"', "sample_cfg": "3"}
    assert at(kohya(**keys), "sampling.prompts") == ["page"]
    imported = kohya(request("file\n"), **keys)
    assert (at(imported, "sampling.prompts"), at(imported, "options")) == (["file"], None)
    assert {row(imported, key).verdict for key in keys} == {"dropped"}


def test_prompts_in_another_form() -> None:
    """A TOML of prompts is not taken for lines."""
    with pytest.raises(NotImported) as error:
        kohya(Request(prompts=Source("prompts.toml", b"[prompt]\nwidth = 512\n")))
    assert error.value.problems[0].startswith("--sample-prompts: prompts.toml is no plain list")


def test_prompts_for_a_language_model() -> None:
    """--sample-prompts serves every task; a mark that a task lacks is a fault of the job."""
    imported = lora_scripts(request("What is a harbour?\n"), task_type="text-generation")
    assert at(imported, "sampling.prompts") == ["What is a harbour?"]
    with pytest.raises(NotImported) as error:
        lora_scripts(request("What? --n no\n"), task_type="text-generation")
    assert "belongs to the task text-to-image" in error.value.problems[0]
