"""Dataset configurations: levels, what subsets agree on, and what they differ in."""

import pytest

from loraruner.importers import NotImported, Request, Source, convert
from loraruner.importers.dataset_config import LEVELS, flatten
from loraruner.importers.reading import read
from tests.support.imports import LENIENT, at, kohya, row

ONE = '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "/data/a"\n'


def test_a_lower_level_goes_before_a_higher_one() -> None:
    """Of general, data set and subset the lowest that names a key decides."""
    text = (
        "[general]\nkeep_tokens = 1\ncaption_extension = '.txt'\nbatch_size = 1\n"
        "[[datasets]]\nkeep_tokens = 2\nbatch_size = 4\n"
        "[[datasets.subsets]]\nimage_dir = '/a'\nkeep_tokens = 3\n"
    )
    flat = flatten(read(Source("d.toml", text.encode())))
    assert {key: (entry.value, entry.place) for key, entry in flat.entries.items()} == {
        "keep_tokens": (3, "datasets[0].subsets[0].keep_tokens"),
        "caption_extension": (".txt", "general.caption_extension"),
        "train_batch_size": (4, "datasets[0].batch_size"),
        "train_data_dir": ("/a", "datasets[0].subsets[0].image_dir"),
    }


def test_it_goes_before_the_trainers_own() -> None:
    """Folders and sizes of the dataset configuration replace those of the trainer's, which are told."""
    imported = kohya(LENIENT, f"[general]\nresolution = 768\n{ONE}", resolution='"512,512"')
    assert (at(imported, "data.uri"), at(imported, "options.resolution")) == ("/data/a", 768)
    replaced = [each.key for each in imported.rows if "dataset configuration goes before" in each.reason]
    assert replaced == ["train_data_dir", "resolution"]


@pytest.mark.parametrize(("line", "epochs"), [("", 3), ("num_repeats = 4\n", 12)])
def test_repeats_stand_in_the_file(line: str, epochs: int) -> None:
    """With a dataset configuration folders' names say nothing: num_repeats does, 1 where it is not given."""
    assert at(kohya(Request(), f"{ONE}{line}", max_train_epochs="3"), "training.epochs") == epochs


def test_repeats_of_one_folder_in_several_sizes_are_added_up() -> None:
    """Data sets of several resolutions name the same folder, and an epoch goes through each of them."""
    text = "".join(
        f"[[datasets]]\nresolution = {side}\n[[datasets.subsets]]\nimage_dir = '/data/a'\n{line}"
        for side, line in ((512, "num_repeats = 4\n"), (768, "num_repeats = 3\n"), (1024, ""))
    )
    imported = kohya(LENIENT, text, max_train_epochs="3")
    assert (at(imported, "training.epochs"), at(imported, "data.uri")) == (24, "/data/a")
    assert [each.key for each in imported.rows if each.verdict == "lost"] == ["datasets[0].resolution"]


def test_repeats_of_the_user_go_first() -> None:
    """--repeats overrules num_repeats."""
    imported = kohya(Request(repeats=2), f"{ONE}num_repeats = 4\n", max_train_epochs="3")
    assert at(imported, "training.epochs") == 6


def test_several_folders_are_refused() -> None:
    """A job has one data set: all folders are named, and --set data.uri decides."""
    text = f"{ONE}[[datasets.subsets]]\nimage_dir = '/data/b'\n"
    with pytest.raises(NotImported) as error:
        kohya(LENIENT, text)
    refused = row(error.value, "image_dir")
    assert refused.verdict == "refused" and '"/data/a", "/data/b"' in refused.reason
    assert at(kohya(Request(overrides=("data.uri=/data",)), text), "data.uri") == "/data"


def test_many_folders_are_counted() -> None:
    """A sentence names a few of many."""
    subsets = "".join(f"[[datasets.subsets]]\nimage_dir = '/data/{number}'\n" for number in range(50))
    with pytest.raises(NotImported) as error:
        kohya(LENIENT, f"[[datasets]]\n{subsets}")
    assert "and 46 more" in row(error.value, "image_dir").reason


def test_what_differs_is_lost() -> None:
    """Two sizes of the same pictures: the first is taken, both are named."""
    text = f"[[datasets]]\nresolution = 512\n{ONE[13:]}[[datasets]]\nresolution = 768\n{ONE[13:]}"
    imported = kohya(LENIENT, text)
    assert at(imported, "options.resolution") == 512
    assert [(each.verdict, each.value) for each in imported.rows if each.to == "$.options.resolution"] == [
        ("lost", "512, 768")
    ]


def test_one_subset_with_an_effect_is_enough() -> None:
    """A flip in the second subset alone is lost, though the first has none."""
    text = f"{ONE}flip_aug = false\n[[datasets.subsets]]\nimage_dir = '/data/a'\nflip_aug = true\n"
    lost = row(kohya(LENIENT, text), "flip_aug")
    assert (lost.verdict, lost.key) == ("lost", "datasets[0].subsets[1].flip_aug")


def test_regularisation_is_lost() -> None:
    """Pictures that are not to be learned are no data: their folder is told."""
    imported = kohya(LENIENT, f"{ONE}[[datasets.subsets]]\nis_reg = true\nimage_dir = '/data/reg'\n")
    assert at(imported, "data.uri") == "/data/a"
    assert [(each.verdict, each.value) for each in imported.rows if each.key == "datasets[0].subsets[1]"] == [
        ("lost", '"/data/reg"')
    ]


def test_captions_in_its_own_metadata_are_refused() -> None:
    """sd-scripts' metadata JSON is no list that a job reads; another one in its place is."""
    text = f"{ONE}metadata_file = '/data/meta.json'\n"
    with pytest.raises(NotImported) as error:
        kohya(LENIENT, text)
    assert row(error.value, "metadata_file").verdict == "refused"
    assert at(kohya(Request(overrides=("data.metadata=meta.jsonl",)), text), "data.metadata") == "meta.jsonl"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"[general]\nshuffle_captions = 1\n{ONE}", "shuffle_captions in [general] - did you mean shuffle_caption?"),
        (f"{ONE}repeats = 3\n", "key repeats in [datasets[0].subsets[0]] - did you mean num_repeats?"),
        (f"{ONE}train_batch_size = 3\n", "in [datasets[0].subsets[0]] - did you mean batch_size?"),
        (f"[sample]\nx = 1\n{ONE}", "unknown key sample"),
        (f"{ONE}batch_size = 3\n", ".batch_size stands on the wrong level; it belongs in [general] or [[datasets]]"),
        (f"[general]\nimage_dir = '/a'\n{ONE}", "general.image_dir stands on the wrong level; it belongs in [[dat"),
        ("datasets = 3\n", "datasets[0] is no table of keys"),
        ("general = 3\n", "general is no table of keys"),
        ("[[datasets]]\nsubsets = [3]\n", "datasets[0].subsets[0] is no table of keys"),
        ("[[datasets]]\nbatch_size = 3\n", "no subset names pictures to learn from"),
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 1\n", "datasets[0].subsets[0] names no pictures"),
        (f"{ONE}num_repeats = 'x'\n", 'datasets[0].subsets[0].num_repeats = "x" is no whole number'),
    ],
)  # fmt: skip
def test_what_is_wrong(text: str, told: str) -> None:
    """Unknown keys, keys of another level, and what is no table, each with its place."""
    with pytest.raises(NotImported) as error:
        kohya(LENIENT, text)
    assert [problem for problem in error.value.problems if told in problem] != [], error.value.problems


def test_alone_it_says_too_little() -> None:
    """Base and output are missing; --set can give them."""
    source = Source("dataset.toml", ONE.encode())
    with pytest.raises(NotImported) as error:
        convert(source, LENIENT)
    assert [problem.rpartition(" ")[2] for problem in error.value.problems] == [
        "model.base=...",
        "output.uri=...",
    ]
    given = Request(overrides=("model.base=/b", "output.uri=/o"), allow_lost=True)
    imported = convert(source, given)
    assert (imported.dialect, at(imported, "name"), at(imported, "data.uri")) == ("kohya-dataset", "dataset", "/data/a")


def test_two_of_them() -> None:
    """A dataset configuration takes none beside it."""
    source = Source("dataset.toml", ONE.encode())
    with pytest.raises(NotImported) as error:
        convert(source, Request(dataset=source))
    assert error.value.problems[0].startswith("--dataset-config: FILE is one itself")


def test_levels_are_those_of_the_trainer() -> None:
    """Sizes belong to data sets, folders to subsets, captions to all three."""
    assert [level for level, names in LEVELS.items() if "resolution" in names] == ["general", "datasets"]
    assert [level for level, names in LEVELS.items() if "image_dir" in names] == ["subsets"]
    assert [level for level, names in LEVELS.items() if "shuffle_caption" in names] == [
        "general",
        "datasets",
        "subsets",
    ]
