"""lora-scripts' YAML: task, addresses, name and scale."""

import pytest

from loraruner.importers import NotImported, Request, Source, convert
from tests.support.imports import at, lora_scripts, row


@pytest.mark.parametrize(
    ("word", "task", "verdict"),
    [
        ("image-to-text", "text-to-image", "changed"),
        ("text-to-image", "text-to-image", "kept"),
        ("text-generation", "text-generation", "kept"),
        ("speech-recognition", "automatic-speech-recognition", "changed"),
        (None, "text-to-image", "filled"),
    ],
)
def test_task(word: str | None, task: str, verdict: str) -> None:
    """Its word for a task, of which image-to-text means pictures from text."""
    imported = lora_scripts(task_type=word)
    assert (imported.job["task"], row(imported, "task_type").verdict) == (task, verdict)


def test_a_task_that_nobody_knows() -> None:
    """The choices are named."""
    with pytest.raises(NotImported) as error:
        lora_scripts(task_type="juggling")
    assert 'task_type = "juggling" is none of image-to-text, text-to-image' in error.value.problems[0]


def test_a_language_model_without_a_task() -> None:
    """A base that is named like no Stable Diffusion is not taken for one; --task decides."""
    with pytest.raises(NotImported, match="1 problem"):
        lora_scripts(base_model="/models/llama-2-7b.gguf")
    imported = lora_scripts(Request(task="text-generation"), base_model="/models/llama-2-7b.gguf")
    assert imported.job["task"] == "text-generation"


@pytest.mark.parametrize(
    ("folder", "uri", "name"),
    [
        ("./output/my_style", "./output", "my_style"),
        ("/output/my_style/", "/output", "my_style"),
        ("output/a/b c", "output/a", "b-c"),
        ("./output", "./output", "config"),
        ("/output", "/output", "config"),
        ("s3://loras/", "s3://loras/", "config"),
        ("..", "..", "config"),
    ],
)
def test_output(folder: str, uri: str, name: str) -> None:
    """The folder of one adapter is its name in the place above; a place without one is taken as it is."""
    imported = lora_scripts(output_dir=folder)
    assert (at(imported, "output.uri"), at(imported, "name")) == (uri, name)


def test_without_output() -> None:
    """A file that says nothing of it gets the folder of the trainer's own examples, and is told so."""
    imported = lora_scripts(output_dir=None)
    assert (at(imported, "output.uri"), at(imported, "name")) == ("./output", "config")
    assert next(each.verdict for each in imported.rows if each.to == "$.output.uri") == "filled"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/style/metadata.csv", "metadata.csv"),
        ("/data/style/sub/../captions.csv", "captions.csv"),
        ("/data/style/sub/captions.csv", "sub/captions.csv"),
    ],
)
def test_metadata_inside_the_data_set(path: str, name: str) -> None:
    """The file's name counts from the data set."""
    assert at(lora_scripts(metadata_path=path), "data.metadata") == name


@pytest.mark.parametrize("path", ["/data/other.csv", "metadata.csv", "/data/style/../other.csv", "/data/style"])
def test_metadata_elsewhere(path: str) -> None:
    """A list that lies outside the data set is refused."""
    with pytest.raises(NotImported) as error:
        lora_scripts(metadata_path=path)
    assert row(error.value, "metadata_path").verdict == "refused"


def test_metadata_of_text_is_lost() -> None:
    """Rows say all that a text job reads."""
    imported = lora_scripts(task_type="text-generation", metadata_path="/data/style/metadata.csv")
    assert (at(imported, "data.metadata"), row(imported, "metadata_path").verdict) == (None, "lost")


@pytest.mark.parametrize(("alpha", "found"), [(None, 16), ("4", 4)])
def test_alpha(alpha: str | None, found: int) -> None:
    """Without alpha the scale is 1."""
    assert at(lora_scripts(lora_rank="16", alpha=alpha), "lora.alpha") == found


@pytest.mark.parametrize(
    ("base", "becomes", "warning"),
    [
        ("org/name", "hf://org/name", ""),
        ("org/name.safetensors", "org/name.safetensors", "a relative path"),
        ("./org/name", "./org/name", "a relative path"),
        ("/m/base.ckpt", "/m/base.ckpt", "is a pickle by its suffix"),
        ("C:\\models\\base.safetensors", "C:\\models\\base.safetensors", "is a path of Windows"),
        ("~/base.safetensors", "~/base.safetensors", "~ is not replaced"),
        ("hf://org/name@main", "hf://org/name@main", ""),
    ],
)
def test_base(base: str, becomes: str, warning: str) -> None:
    """A repository of the hub by its URI; what a path may mean elsewhere is warned of."""
    imported = lora_scripts(base_model=f"'{base}'")
    assert at(imported, "model.base") == becomes
    assert [told for told in imported.warnings if warning in told][:1] == [*imported.warnings][:1]
    assert bool(imported.warnings) == bool(warning)


def test_a_key_in_two_sections() -> None:
    """A key that stands twice is a problem, as nobody can tell which counts."""
    text = b"data: {train_data_dir: /data}\nmodel: {base_model: /m, train_data_dir: /other}\noutput: {output_dir: /o/x}"
    with pytest.raises(NotImported) as error:
        convert(Source("c.yaml", text), Request())
    assert error.value.problems == ("model.train_data_dir is given as data.train_data_dir too; keep one of them",)


def test_a_section_that_does_not_exist() -> None:
    """A table that is no section is an unknown key."""
    with pytest.raises(NotImported) as error:
        lora_scripts(lora="{rank: 8}")
    assert error.value.problems[0].startswith("unknown key lora")


def test_options_of_another_trainer() -> None:
    """--repeats and --dataset-config mean nothing here, and are not passed over in silence."""
    with pytest.raises(NotImported) as error:
        lora_scripts(Request(repeats=2, dataset=Source("d.toml", b"")))
    assert [problem.split(":")[0] for problem in error.value.problems] == ["--repeats", "--dataset-config"]
