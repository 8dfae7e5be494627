"""Every kind of fault at every rate, before a real S3 server."""

from pathlib import Path

import pytest

from loraruner.faults import trial
from loraruner.faults.kinds import KINDS, Kind
from tests.support.s3_server import OpenS3

# Codes that a kind may end with besides success. All of them stand in docs/exit-codes.md.
REFUSALS = {
    "403": {"77"},
    "clock skew": {"78"},
    "flipped bit": {"74"},
    "flipped bit sent": {"74"},
    "412": {"75"},
    "ETag": {"75", "76"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_right_bytes_or_a_documented_code(open_s3: OpenS3, tmp_path: Path, kind: Kind) -> None:
    """At 1, 10 and 30 %: no wrong bytes, no partial version, no lost success; refusals are those of the kind."""
    store = open_s3("loraruner-selftest-0").tuned(trial.small_requests())
    plan = trial.Plan(kinds=[kind], seed=7, cell_s=0)
    rows = trial.plant(store, plan, tmp_path, slowest_s=0.1, say=lambda line: None)
    assert [row["rate"] for row in rows] == [0.01, 0.1, 0.3]
    for row in rows:
        assert row["what"] == []
        assert row["injected"] >= 1
        assert row["right"] + sum(row["refused"].values()) == row["operations"] >= 1
        assert set(row["refused"]) <= REFUSALS.get(kind.name, {"75"})
    assert list(store.list()) == []
