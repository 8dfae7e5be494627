"""The layers of a built image as a table, against what is promised; part of ``make image-test``.

    python ci/image_sizes.py IMAGE

Two sizes a layer, in MB of 10^6 bytes: unpacked, as it lies on a disk, and pulled, compressed as a registry sends it.
The application's layer comes last and alone changes with a release, so that an upgrade pulls nothing else. Exits 1 with
one sentence for each budget that is broken.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from ci.containers import environment

MB = 10**6
APP_PULLED_BYTES = 2 * MB
# By whether there is CUDA in the image: unpacked, pulled.
TOTAL_BYTES = {False: (1_500 * MB, 500 * MB), True: (7_000 * MB, 3_600 * MB)}
CUDA_LABEL = "com.loraruner.cuda.version"
SHOWN_CHARACTERS = 80


class Layer(NamedTuple):
    """One layer: what made it, and its bytes, unpacked and pulled."""

    made_by: str
    unpacked_bytes: int
    pulled_bytes: int


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 when a budget is broken."""
    parser = argparse.ArgumentParser(description="Sizes of an image and its layers against the budget.")
    parser.add_argument("image", help="name or id of an image in podman's store")
    image = parser.parse_args(arguments).image
    found = layers(podman("history", "--no-trunc", "--format", "json", image), pulled(image))
    inspected = json.loads(podman("image", "inspect", image))[0]
    cuda = (inspected.get("Labels") or {}).get(CUDA_LABEL, "none") != "none"
    print(table(found, cuda))
    broken = faults(found, cuda)
    for fault in broken:
        print(f"{image}: {fault}", file=sys.stderr)
    return 1 if broken else 0


def podman(*arguments: str) -> str:
    """The stdout of a podman command; its own error ends the program."""
    done = subprocess.run(["podman", *arguments], env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"podman {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def pulled(image: str) -> list[int]:
    """Bytes of each layer, the lowest first, as they are pushed to a registry."""
    with tempfile.TemporaryDirectory() as folder:
        podman("push", "--quiet", "--compress", image, f"dir:{folder}")
        manifest = json.loads(Path(folder, "manifest.json").read_text())
    return [int(layer["size"]) for layer in manifest["layers"]]


def layers(history: str, pulled_bytes: Sequence[int]) -> list[Layer]:
    """The layers, the lowest first, from ``podman history --format json``, where also other instructions stand."""
    entries = [entry for entry in reversed(json.loads(history)) if entry["size"] > 0]
    return [
        Layer(shortened(entry["CreatedBy"]), entry["size"], size)
        for entry, size in zip(entries, pulled_bytes, strict=True)
    ]


def shortened(command: str) -> str:
    """What made a layer, in a line; buildah names copied folders by a digest that tells people nothing."""
    text = re.sub(r"^(/bin/sh -c )?(#\(nop\) )?", "", command)
    text = " ".join(re.sub(r"\b(dir|file|multi):[0-9a-f]{64}", r"\1", text).split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def table(found: Sequence[Layer], cuda: bool) -> str:
    """A line a layer, then the sums and the budgets."""
    return "\n".join(_lines(found, cuda))


def _lines(found: Sequence[Layer], cuda: bool) -> Iterator[str]:
    yield f"{'unpacked':>9} {'pulled':>9}  MB"
    for layer in found:
        yield f"{layer.unpacked_bytes / MB:9.2f} {layer.pulled_bytes / MB:9.2f}  {layer.made_by}"
    yield "{:9.2f} {:9.2f}  together".format(*(size / MB for size in sums(found)))
    yield "{:9.2f} {:9.2f}  at most".format(*(size / MB for size in TOTAL_BYTES[cuda]))
    yield f"{'':9} {APP_PULLED_BYTES / MB:9.2f}  at most, the last layer"


def sums(found: Sequence[Layer]) -> tuple[int, int]:
    """Bytes of all layers, unpacked and pulled."""
    return sum(layer.unpacked_bytes for layer in found), sum(layer.pulled_bytes for layer in found)


def faults(found: Sequence[Layer], cuda: bool) -> list[str]:
    """The budgets that are broken, a sentence each."""
    named = zip(("unpacked", "pulled"), sums(found), TOTAL_BYTES[cuda], strict=True)
    broken = [
        f"the image has {size / MB:.2f} MB {kind}, more than {most / MB:.2f}; leave something out"
        for kind, size, most in named
        if size > most
    ]
    app = found[-1].pulled_bytes
    if app > APP_PULLED_BYTES:
        most = APP_PULLED_BYTES / MB
        broken.append(f"the last layer has {app / MB:.2f} MB pulled, more than {most:.2f}; move what is large lower")
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
