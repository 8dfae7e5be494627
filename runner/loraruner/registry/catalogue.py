"""What has been published below an address, and one version in full."""

from typing import Any

from loraruner.registry import scan
from loraruner.registry.address import place_of, resolve
from loraruner.registry.events import read_lives
from loraruner.registry.find import latest
from loraruner.registry.index import read_index, scan_output
from loraruner.registry.life import Life
from loraruner.registry.rows import Row
from loraruner.settings import Settings
from loraruner.stores import open_store
from loraruner.stores.keys import join
from loraruner.workspace import VERSIONS_PREFIX, RunKeys


def list_versions(uri: str, settings: Settings, *, all_runs: bool = False) -> list[Row]:
    """One row for each version below an output address or one NAME's, by name and age.

    An output's come from its index, one NAME's from the manifests themselves. ``all_runs`` adds the runs that ended
    without a version. What has no readable manifest is no row; what is damaged is told in a warning.
    """
    uri, is_name = uri.rstrip("/"), False
    if (rows := read_index(uri, settings)) is None:
        store = open_store(uri, settings)
        is_name = any(next(store.list(prefix), None) for prefix in (VERSIONS_PREFIX, "runs/"))
        rows = scan.read_rows(store, {"": scan.survey_name(store, "")}) if is_name else scan_output(uri, settings)
    shown = join(uri, "")
    placed = (
        {**row, "uri": f"{shown}/{_place(row, is_name=is_name)}"}
        for row in rows
        if all_runs or row["version"] is not None
    )
    return sorted(placed, key=lambda row: (row["name"], row["created"], row["version"] or "", row["run_id"]))


def _place(row: Row, *, is_name: bool) -> str:
    inside = f"{VERSIONS_PREFIX}{row['version']}" if row["version"] else RunKeys(row["run_id"]).prefix.rstrip("/")
    return inside if is_name else f"{row['name']}/{inside}"


def show_version(uri: str, settings: Settings) -> dict[str, Any]:
    """A version's manifest with its address, and under ``life`` where it stands and what people said of it.

    ``latest`` and ``life`` are None for a copy outside of its NAME. Raises what ``resolve`` raises.
    """
    ref = resolve(uri, settings)
    place = place_of(ref)
    if place is None:
        return {"uri": ref.uri, "latest": None, "life": None, **ref.manifest}
    root = open_store(place.root, settings)
    living = read_lives(root, scan.survey_name(root, "").events)
    is_latest = latest(root) == place.version
    return {
        "uri": ref.uri,
        "latest": is_latest,
        "life": life_document(living.get(place.version, Life())),
        **ref.manifest,
    }


def life_document(life: Life) -> dict[str, Any]:
    """A version's life as JSON: its status, the mean score, and every event in order."""
    reviews = [
        {"verdict": each.verdict, "score": each.score, "by": each.by, "when": each.when, "comment": each.comment}
        for each in life.reviews
    ]
    promotions = [
        {"to": each.to, "by": each.by, "when": each.when, "comment": each.comment} for each in life.promotions
    ]
    return {
        "status": life.status,
        "score": life.score,
        "rejected_since": life.rejected_since,
        "reviews": reviews,
        "promotions": promotions,
    }
