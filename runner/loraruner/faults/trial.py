"""``loraruner selftest store``: a store's promises without faults, and through a proxy that plants them."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loraruner.faults import proxy
from loraruner.faults.checks import examine
from loraruner.faults.exchange import Exchange, Tally, content
from loraruner.faults.kinds import KINDS, Draw, Kind
from loraruner.faults.proxy import Proxy
from loraruner.settings import Settings
from loraruner.stores import open_store, retry, s3_client
from loraruner.stores.base import Store
from loraruner.stores.local import LocalStore
from loraruner.stores.s3 import S3Store
from loraruner.stores.s3_client import Tuning

RATES = (0.01, 0.1, 0.3)
CELL_S = 0.5  # rounds of one kind at one rate begin for so long
MAX_ROUNDS = 10
PAUSE_S = 0.02
SLOWER = 4.0  # a time-out is so many times the slowest request without faults
TIMEOUT_S = (0.5, 10.0)


@dataclass(frozen=True)
class Plan:
    """What to try: ``rates`` of each of ``kinds``, drawn by ``seed``; ``cell_s`` seconds each, at least a round."""

    kinds: Sequence[Kind] = KINDS
    rates: Sequence[float] = RATES
    seed: int = 0
    cell_s: float = CELL_S


def run(uri: str, settings: Settings, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Try the store at ``uri`` in a folder of its own, which is removed afterwards.

    The result has ``store``, ``capabilities``, ``checks`` and ``faults`` (rows; none but for S3), ``seed`` and
    ``wrong``: sentences about what must never happen. Raises what a store raises that cannot be used at all.
    """
    open_store(uri, settings)  # refuses what is no address
    place = f"{uri}{'' if uri.endswith('/') else '/'}loraruner-selftest-{secrets.token_hex(6)}"
    store, data = open_store(place, settings), content(plan.seed)
    if isinstance(store, S3Store):
        store = store.tuned(small_requests())
    say(f"trying {place}")
    capabilities = store.probe()
    with _removed(store), tempfile.TemporaryDirectory(prefix="loraruner-selftest-") as scratch:
        checks, faults = [], list[dict[str, Any]]()
        for check in examine(store, capabilities, Path(scratch), data):
            say(f"{ {True: 'ok  ', None: 'none', False: 'FAIL'}[check.ok] } {check.check}: {check.detail}")
            checks.append(asdict(check))
        slowest_s = max(check["seconds"] for check in checks)
        if isinstance(store, S3Store):
            faults = plant(store, plan, Path(scratch), slowest_s, say)
    wrong = [f"{check['check']}: {check['detail']}" for check in checks if check["ok"] is False]
    wrong += [f"{row['kind']} at {row['rate']:.0%}: {each}" for row in faults for each in row.pop("what")]
    return {"store": uri, "seed": plan.seed, "capabilities": asdict(capabilities), "checks": checks, "faults": faults,
            "wrong": wrong}  # fmt: skip


def small_requests(**changes: Any) -> Tuning:
    """Sizes by which small files have several parts."""
    sizes = {"range_bytes": 1 << 20, "part_bytes": 5 << 20, "largest_put_bytes": 5 << 20}
    return Tuning(**{**sizes, **changes})


@contextmanager
def _removed(store: Store) -> Iterator[None]:
    """Remove everything below ``store`` at the end, also after a failure or Ctrl-C."""
    try:
        yield
    finally:
        if isinstance(store, LocalStore):
            shutil.rmtree(store.root, ignore_errors=True)
        else:
            _clear(store)


def _clear(store: Store) -> None:
    for info in store.list():
        store.delete(info.key)
    if isinstance(store, S3Store):
        store.abort_uploads()


def plant(
    store: S3Store, plan: Plan, folder: Path, slowest_s: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for every kind and rate of fault; ``what`` of each says what was wrong.

    ``slowest_s`` is how long the slowest request may take without faults.
    """
    timeout_s = min(max(TIMEOUT_S[0], SLOWER * slowest_s), TIMEOUT_S[1])
    data, rows = content(plan.seed), []
    with retry.hurried(PAUSE_S), proxy.serve(cafile=s3_client.certificates()) as running:
        for kind in plan.kinds:
            waits = {"read_timeout_s": timeout_s} if kind.fault == "stall" else {}
            failing = store.tuned(small_requests(via=running.endpoint, **waits))
            for rate in plan.rates:
                name = f"{kind.fault}-{rate:g}"
                exchange = Exchange(failing, store, folder, name=name, content=data, etags_lie=kind.fault == "etag")
                _rounds(exchange, running, Draw(kind, rate, plan.seed, lambda: running.num_injected), plan.cell_s)
                rows.append(_row(kind, rate, exchange.tally, running.num_injected))
                say(_line(rows[-1]))
    return rows


def _rounds(exchange: Exchange, running: Proxy, draw: Draw, cell_s: float) -> None:
    """Rounds until the time is up, or until a fault was done if that takes longer."""
    running.num_injected, running.seen, running.earlier, running.fault = 0, [], {}, draw
    end = time.monotonic() + cell_s
    for number in range(1, MAX_ROUNDS + 1):
        exchange.round(number)
        if time.monotonic() > end and running.num_injected:
            break
    exchange.clear()


def _row(kind: Kind, rate: float, tally: Tally, num_injected: int) -> dict[str, Any]:
    return {
        "kind": kind.name,
        "rate": rate,
        "operations": tally.num_operations,
        "injected": num_injected,
        "right": tally.num_right,
        "refused": {str(code): number for code, number in sorted(tally.refused.items())},
        "wrong": len(tally.wrong),
        "what": tally.wrong,
    }


def _line(row: dict[str, Any]) -> str:
    refused = ", ".join(f"{number} x {code}" for code, number in row["refused"].items())
    faults = f"{row['injected']} fault{'s'[: row['injected'] != 1]}"
    return (
        f"{'FAIL' if row['wrong'] else 'ok  '} {row['kind']} at {row['rate']:.0%}: {faults}, "
        f"{row['right']} of {row['operations']} operations right{f', refused {refused}' if refused else ''}"
    )
