"""Two versions side by side: their jobs, what came out, and the samples that both made."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loraruner.errors import DataInvalid, InputMissing, IntegrityError
from loraruner.registry.address import place_of, resolve
from loraruner.registry.events import list_lives
from loraruner.registry.find import VersionRef
from loraruner.registry.life import Life
from loraruner.registry.rows import of_manifest
from loraruner.settings import Settings
from loraruner.stores import open_store

_LOG = logging.getLogger(__name__)
MAX_TRIALS = 12
MAX_PICTURE_BYTES = 4 << 20
COMPARED = (
    *("steps", "epochs", "num_samples", "last_loss", "evaluation_before", "evaluation_after", "wer_before"),
    *("wer_after", "minutes", "gpu_hours", "size_bytes", "score"),
)
# What has to be the same for the lower value to be the better one: a loss depends on the base model, too.
LOWER_IS_BETTER: Mapping[str, tuple[str, ...]] = {
    "evaluation_after": ("task", "data", "base_model"),
    "wer_after": ("task", "data"),
}
SIDES = ("a", "b")
Pictures = dict[str, bytes]  # by the side and the name in samples/: "a/after-00.png"


def compare(first: str, second: str, settings: Settings) -> dict[str, Any]:
    """What differs between two versions: facts of each, metrics, every key of the jobs, the samples.

    ``metrics``: name, both values and, where less is better and the same was measured, the ``better`` side. ``spec``:
    pointer, both values (None where a job lacks the key) and whether they are the ``same``. ``samples``: prompt and
    both answers.
    """
    refs = [resolve(uri, settings) for uri in (first, second)]
    manifests = [ref.manifest for ref in refs]
    rows = [{**of_manifest(ref.manifest, is_latest=False), **_life(ref, settings)} for ref in refs]
    leaves = [dict(_leaves(manifest["job"], "$")) for manifest in manifests]
    spec = [_compared(path, *leaves) for path in sorted({*leaves[0], *leaves[1]})]
    alike = [name for name in ("task", "data", "base_model") if rows[0][name] == rows[1][name]]
    return {
        **{side: _facts(ref, row) for side, ref, row in zip(SIDES, refs, rows, strict=True)},
        "differences": sum(not each["same"] for each in spec),
        "metrics": [_metric(name, alike, *(row.get(name) for row in rows)) for name in COMPARED],
        "spec": spec,
        "samples": _samples(*manifests),
    }


def read_pictures(first: str, second: str, settings: Settings) -> Pictures:
    """The sample pictures of both versions; what is too large, missing or changed is told and left out."""
    found: Pictures = {}
    for side, uri in zip(SIDES, (first, second), strict=True):
        ref = resolve(uri, settings)
        for trial in _trials(ref.manifest) if ref.manifest["task"] == "text-to-image" else ():
            for name in (trial.get("before"), trial.get("after")):
                if isinstance(name, str) and (data := _picture(ref, name)):
                    found[f"{side}/{name}"] = data
    return found


def _picture(ref: VersionRef, name: str) -> bytes | None:
    from loraruner.files import digest_bytes

    entry = next((each for each in ref.manifest["files"] if each["name"] == f"samples/{name}"), None)
    if entry is None or entry["size"] > MAX_PICTURE_BYTES:
        return None
    try:
        data, _ = ref.store.read(f"{ref.prefix}{entry['name']}", limit_bytes=MAX_PICTURE_BYTES)
    except (DataInvalid, InputMissing, IntegrityError) as error:
        _LOG.warning("not shown: %s", error)
        return None
    if digest_bytes(data).sha256 != entry["sha256"]:
        _LOG.warning("not shown: %s/%s is not what its manifest says", ref.uri, entry["name"])
        return None
    return data


def _facts(ref: VersionRef, row: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "name",
        "version",
        "task",
        "status",
        "created",
        "run_id",
        "team",
        "base_model",
        "data",
        "license",
        "expires",
    )
    return {"uri": ref.uri, **{name: row[name] for name in names}}


def _life(ref: VersionRef, settings: Settings) -> dict[str, Any]:
    place = place_of(ref)
    life = list_lives(open_store(place.root, settings)).get(place.version, Life()) if place else Life()
    return {"status": life.status, "score": life.score}


def _compared(path: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    same = path in a and path in b and a[path] == b[path]
    return {"path": path, "a": a.get(path), "b": b.get(path), "same": same}


def _metric(name: str, alike: Sequence[str], a: float | None, b: float | None) -> dict[str, Any]:
    """Both values; neither is the better one where other things were measured."""
    better = None
    if set(LOWER_IS_BETTER.get(name, ("never",))) <= set(alike) and a is not None and b is not None and a != b:
        better = SIDES[b < a]
    return {"name": name, "a": a, "b": b, "better": better}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Pointers and plain values; a list without objects is one value."""
    pairs = (
        [(f"{path}.{key}", item) for key, item in value.items()]
        if isinstance(value, dict)
        else [(f"{path}[{place}]", item) for place, item in enumerate(value)]
        if isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
        else None
    )
    if not pairs:
        yield path, value
    for inside, item in pairs or ():
        yield from _leaves(item, inside)


def _trials(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = manifest["metrics"].get("trials")
    return [each for each in found if isinstance(each, dict)][:MAX_TRIALS] if isinstance(found, list) else []


def _samples(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What both were asked comes first, then what one of them alone was."""
    tried = [{str(each.get("prompt")): each for each in reversed(_trials(manifest))} for manifest in (a, b)]
    prompts = [str(each.get("prompt")) for manifest in (a, b) for each in _trials(manifest)]
    ordered = sorted(dict.fromkeys(prompts), key=lambda prompt: not all(prompt in each for each in tried))
    return [
        {
            "prompt": prompt,
            **{f"{side}_{when}": each.get(prompt, {}).get(when) for side, each in zip(SIDES, tried, strict=True)
               for when in ("before", "after")},
            "reference": next((each[prompt].get("reference") for each in tried if prompt in each), None),
        }
        for prompt in ordered
    ]  # fmt: skip
