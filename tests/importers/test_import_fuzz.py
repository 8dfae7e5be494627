"""Whatever a file holds, importing it gives a valid job or an error with an exit code of the table."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from loraruner import spec
from loraruner.errors import LoraRunerError
from loraruner.importers import DIALECTS, Request, Source, convert

KEYS = sorted({key for dialect in DIALECTS.values() for key in dialect.keys} | {"num_repeats", "image_dir", "datasets"})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["1e-4", "0", "512,512", "a --n b --s x", "org/name", "cosine", "false", "[", "C:\\x", "~", ".ckpt"]
    ),
)
TABLES = st.dictionaries(st.sampled_from(KEYS), SCALARS, max_size=3)
VALUES = st.one_of(SCALARS, st.lists(SCALARS | TABLES, max_size=3), TABLES)
TREES = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), VALUES, max_size=8)
REQUESTS = st.builds(
    Request,
    name=st.none() | st.text(max_size=5),
    task=st.sampled_from([None, *spec.TASKS]),
    dialect=st.sampled_from([None, *DIALECTS]),
    repeats=st.none() | st.integers(1, 10**9),
    allow_lost=st.booleans(),
    overrides=st.sampled_from([(), ("model.base=/b", "data.uri=/d", "output.uri=/o")]),
)


def outcome(source: Source, request: Request) -> str:
    """The job as text, or the error; anything else is what the test is for."""
    try:
        imported = convert(source, request)
    except LoraRunerError as error:
        assert int(error.code) in (64, 65) and str(error)
        return str(error)
    text = json.dumps(imported.job)
    assert spec.load(text.encode()).spec.name == imported.job["name"]
    return text


@given(data=st.binary(max_size=200), name=st.sampled_from(["c.toml", "c.yaml", "c"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data: bytes, name: str) -> None:
    """No bytes crash the reader."""
    outcome(Source(name, data), Request())


@given(tree=TREES, request=REQUESTS)
@settings(max_examples=60, deadline=None)
def test_any_tree(tree: dict[str, object], request: Request) -> None:
    """No keys and values crash the rules; the same file has the same outcome."""
    source = Source("c.json", json.dumps(tree).encode())
    assert outcome(source, request) == outcome(source, request)


@given(config=TREES, dataset=TREES, prompts=st.text(max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_three_files(config: dict[str, object], dataset: dict[str, object], prompts: str) -> None:
    """Nor do dataset configurations and prompts beside them."""
    request = Request(
        dataset=Source("d.json", json.dumps({"datasets": [dataset], "general": config}).encode()),
        prompts=Source("p.txt", prompts.encode("utf-8", "replace")),
        allow_lost=True,
    )
    outcome(Source("c.json", json.dumps(config).encode()), request)
