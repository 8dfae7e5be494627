"""Who owns a run: one attempt at a time may write, an older one is fenced off.

The ground is conditional writes alone. Clocks decide when a dead holder is given up, never who may write.
"""

from collections.abc import Callable

from loraruner.lease import conditional, listed
from loraruner.lease.fenced_store import FencedStore
from loraruner.lease.keeper import Claim, Lease
from loraruner.lease.waiting import Waiter
from loraruner.settings import Settings
from loraruner.stores.base import Capabilities, Store
from loraruner.workspace import RunKeys

__all__ = ["FencedStore", "Lease", "acquire"]


def acquire(
    store: Store,
    keys: RunKeys,
    capabilities: Capabilities,
    settings: Settings,
    *,
    last_attempt: int = 0,
    pause: Callable[[float], None],
) -> Lease:
    """Own the run from now on, with a higher epoch than every attempt before; waits for a holder that may be dead.

    The epoch is the attempt's number; ``last_attempt`` is the highest one known from elsewhere. ``pause`` sleeps so
    many seconds and may raise. Raises Fenced (76) when another attempt is alive, and Exhausted (82) when
    ``settings.max_attempts`` have been made.
    """
    waiter = Waiter(store, keys.run_id, pause, max_attempts=settings.max_attempts, last_attempt=last_attempt)
    claim: Claim
    if capabilities.create_exclusive and capabilities.replace_if_match:
        claim = conditional.take(store, keys.lease, waiter, settings.lease_s)
    else:
        claim = listed.take(store, keys.leases, waiter, settings.lease_s)
    return Lease(claim)
