"""What a machine keeps of an index, and how it asks for the index."""

import json
from pathlib import Path

from loraruner.registry import index, list_versions
from tests.support import published, registered


def test_a_cache_of_another_release(tmp_path: Path) -> None:
    """Rows with other columns are read again, though the index has not changed since."""
    operator, output = published.settings(tmp_path / "home"), tmp_path / "loras"
    registered.write_version(output)
    index.reindex(str(output), operator)
    assert len(list_versions(str(output), operator)) == 1
    (kept,) = (operator.cache / "registry").iterdir()
    document = json.loads(kept.read_text())
    for each in document["shards"].values():
        each["rows"] = [{name: value for name, value in row.items() if name != "score"} for row in each["rows"]]
    kept.write_text(json.dumps({**document, "format": [1, "name"]}))
    (row,) = list_versions(str(output), operator)
    assert row["score"] is None


def test_the_folder_is_not_taken_for_an_object(tmp_path: Path) -> None:
    """One request lists the index on S3: an address that ends in a slash is not asked for as an object before."""
    operator = published.settings(tmp_path)
    assert index._folder("s3://bucket/loras", operator).uri == "s3://bucket/loras/.registry/v1/"
