"""Rows and versions of the registry for people: tables of 80 columns, and CSV for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for a formula at the start of a text
# The order of columns in CSV; the others follow as the rows have them.
FIRST = ("name", "version", "latest", "status", "state", "task", "team", "created", "run_id")


def version_lines(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that fit a terminal; scores and ends are columns where there are any."""
    from loraruner.report.figures import number

    scored = any(row["score"] is not None for row in rows)
    return [
        {
            "name": row["name"],
            "version": f"{row['version']} (latest)" if row["latest"] else row["version"],
            "status": _status(row),
            "created": row["created"][:10],
            "loss": number(row["last_loss"]),
            "held out": _held_out(row),
            **({"score": number(row["score"])} if scored else {}),
        }
        for row in rows
    ]


def _status(row: Mapping[str, Any]) -> str:
    """Where a version stands and that it has expired; of a run without one how it ended."""
    from loraruner.registry.pull import is_expired

    if not row["status"]:
        return f"{row['state']} ({row['exit_code']})"
    return f"{row['status']}, expired" if row["expires"] and is_expired(row["expires"]) else str(row["status"])


def _held_out(row: Mapping[str, Any]) -> str:
    """The word error rate of speech, else the held-out loss, after training; ``show`` has both ends."""
    from loraruner.report.figures import number, percent

    return number(row["evaluation_after"]) if row["wer_after"] is None else f"wer {percent(row['wer_after'])}"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with a line of names above them; labels are columns ``label.KEY``. No cell is a formula."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys([*FIRST, *(column for row in flat for column in row)])) if flat else list(FIRST)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in flat)
    return written.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in row.items() if name != "labels"}
    return {**plain, **{f"label.{key}": text for key, text in sorted(row["labels"].items())}}


def _cell(value: object) -> object:
    """Numbers as they are; a text that would be a formula gets an apostrophe before it (OWASP, CSV injection)."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(value.splitlines()) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text.lstrip().startswith(FORMULA) else text


def version_summary(version: Mapping[str, Any]) -> dict[str, Any]:
    """What people ask first of a version; the JSON has the rest."""
    from loraruner.registry.pull import is_expired
    from loraruner.report.figures import change, duration, size

    metrics, life = version["metrics"], version["life"]
    before, after = metrics["evaluation_before"] or {}, metrics["evaluation_after"] or {}
    expires = version["labels"].get("expires")
    return {
        **{key: version[key] for key in ("name", "version", "latest", "task")},
        "status": life["status"] if life else version["status"],
        **({"score": life["score"]} if life and life["score"] is not None else {}),
        **({"warning": f"may not be used any more, expired on {expires}"} if expires and is_expired(expires) else {}),
        **{key: version[key] for key in ("created", "run_id", "uri")},
        "base model": version["base_model"]["uri"],
        "data": version["data"]["uri"],
        **({"licence": version["data"]["license"]} if version["data"].get("license") else {}),
        "samples": version["data"]["used"],
        "steps": version["steps"],
        "loss": change(metrics["first_loss"], metrics["last_loss"]),
        "held-out loss": change(before.get("loss"), after.get("loss")),
        **_word_errors(metrics["samples"]),
        "training time": duration(version["seconds"]["training"]),
        "labels": [f"{name}: {value}" for name, value in version["labels"].items() if value],
        **_events(life),
        "adapters": version["adapters"],
        "files": [{"name": entry["name"], "size": size(entry["size"])} for entry in version["files"]],
    }


def _events(life: Mapping[str, Any] | None) -> dict[str, list[dict[str, Any]]]:
    """Tables of what people said and did, where they did."""
    from loraruner.report.figures import number

    if life is None:
        return {}
    reviews = [
        {
            "review": each["verdict"] or ("score" if each["score"] is not None else "comment"),
            "score": number(each["score"]),
            **_who(each),
        }
        for each in life["reviews"]
    ]
    moves = [{"to": each["to"], **_who(each)} for each in life["promotions"]]
    return {**({"reviews": reviews} if reviews else {}), **({"promotions": moves} if moves else {})}


def _who(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"by": event["by"], "when": event["when"], "comment": event["comment"]}


def _word_errors(measures: Mapping[str, float]) -> dict[str, str]:
    """The line on the word error rate, where it was measured."""
    from loraruner.report.figures import percent_change

    if "wer.after" not in measures:
        return {}
    return {"word error rate": percent_change(measures.get("wer.before"), measures["wer.after"])}
