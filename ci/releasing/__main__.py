"""The command line of ``ci/release``."""

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path

from ci.releasing import promotion, publish, settings, tree
from loraruner.errors import ExitCode, LoraRunerError, SpecInvalid

ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Release or promote; the exit code, one of docs/exit-codes.md."""
    options = parser().parse_args(arguments)
    # As an exception it lets every block end, and with one goes the file that holds the login.
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, frame: sys.exit(128 + number))
    try:
        return promote(options) if options.action == "promote" else release(options)
    except LoraRunerError as error:
        print(f"error {int(error.code)} {error.code.name}: {error}", file=sys.stderr)
        return int(error.code)
    except Exception:
        traceback.print_exc()
        return int(ExitCode.INTERNAL)
    except KeyboardInterrupt:
        print("interrupted: run it again, it goes on where it was", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Its options."""
    found = argparse.ArgumentParser(prog="ci/release", description="Publish this commit's version, or promote it.")
    found.add_argument("action", nargs="?", choices=["release", "promote"], default="release")
    found.add_argument("--candidate", action="store_true", help="release a commit that has no tag yet")
    found.add_argument("--dry-run", action="store_true", help="make and look, send nothing")
    found.add_argument(
        "--image", action="append", default=[], metavar="TARGET=IMAGE", help="a ready-made image: archive or reference"
    )
    return found


def release(options: argparse.Namespace) -> int:
    """Judge the settings and the tree, then publish."""
    given = images(options.image)
    targets = settings.targets(os.environ, given)
    wanted = {name: given.get(name, "") for name in targets}
    chosen = settings.read(base_needed=not all(wanted.values()))
    commit = tree.read(ROOT)
    tree.require_clean(commit)
    if options.candidate:
        tree.require_no_other_tag(commit)
    else:
        tree.require_tag(commit)
    base = os.environ.get("BASE_IMAGE", "")
    say(f"{commit.version} from {commit.revision}, images {', '.join(wanted)}")
    with tree.alone(commit):
        sent = publish.release(commit, chosen, wanted, base, say, only_look=options.dry_run)
    return told(commit.version, "released", sent, options.dry_run)


def promote(options: argparse.Namespace) -> int:
    """Judge the settings and the tag, then promote."""
    if options.candidate or options.image:
        raise SpecInvalid("promote takes neither --candidate nor --image: it promotes what was released")
    chosen = settings.read(promotes=True)
    commit = tree.read(ROOT)
    tree.require_tag(commit)
    if chosen.promoted is None:
        raise AssertionError("read with promotes=True")
    sent = promotion.promote(commit, chosen, chosen.promoted, say, only_look=options.dry_run)
    return told(commit.version, "promoted", sent, options.dry_run)


def images(given: list[str]) -> dict[str, str]:
    """Target -> image, as given by ``--image``; SpecInvalid."""
    pairs = [each.partition("=") for each in given]
    bad = [target for target, _, image in pairs if not image]
    if bad:
        raise SpecInvalid(f"--image {bad[0]}: give TARGET=IMAGE, such as cpu=image.tar")
    return {target: image for target, _, image in pairs}


def told(version: str, word: str, sent: int, only_look: bool) -> int:
    """Say how it ended."""
    if only_look:
        say(f"dry run: {sent} things are not there yet, and nothing was sent")
    else:
        say(f"{version} is {word}: {sent} sent" if sent else f"{version} is {word} already: nothing was sent")
    return 0


def say(line: str) -> None:
    """One line for whoever watches."""
    print(f"release: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
