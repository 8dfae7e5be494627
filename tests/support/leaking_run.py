"""``loraruner`` with libraries that tell secrets wherever they can, for the tests that look for them.

    python -m tests.support.leaking_run WHERE ARGUMENTS...

``WHERE`` is "quiet" (only warnings, records, threads) or "fault" (also an error of ours when the manifest is made).
"""

import gc
import logging
import sys
import threading
import warnings
from typing import Any

from loraruner import settings
from loraruner.cli import main


def leak() -> None:
    """Tell every secret by all that Python and its libraries print by themselves."""
    told = " ".join(settings.secrets())
    library = logging.getLogger("a.library")
    library.addHandler(logging.StreamHandler(sys.stderr))
    library.propagate = False
    library.warning("asked with %s", {"Authorization": told})
    for name in ("botocore.endpoint", "urllib3.connectionpool", "asyncio", "loraruner.some"):
        logging.getLogger(name).debug("sent %s", told)
        logging.getLogger(name).error("failed: %s", told, extra={"headers": told})
    warnings.showwarning(UserWarning(told), UserWarning, "file.py", 1)
    warnings.warn(told, stacklevel=1)
    thread = threading.Thread(target=_fail, args=(told,))
    thread.start()
    thread.join()
    _Leaking(told)
    gc.collect()


class _Leaking:
    def __init__(self, told: str) -> None:
        self._told = told

    def __del__(self) -> None:
        _fail(self._told)


def _fail(told: str) -> None:
    try:
        raise KeyError(told)
    except KeyError as error:
        raise RuntimeError(f"cannot use {told!r}") from error


def _in_manifest(fault: bool) -> Any:
    from loraruner import manifest

    build = manifest.build_manifest

    def leaking(*arguments: Any) -> Any:
        leak()
        if fault:
            _fail(" ".join(settings.secrets()))
        return build(*arguments)

    return leaking


if __name__ == "__main__":
    from loraruner import manifest

    manifest.build_manifest = _in_manifest(sys.argv[1] == "fault")
    main(sys.argv[2:])
