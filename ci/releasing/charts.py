"""The chart of a release: the one of the tree, with the image that belongs to it written into its values."""

import re
import shutil
from pathlib import Path

from ci.chart_package import package
from loraruner.errors import DataInvalid, EnvironmentUnfit

CHART = "helm/loraruner"


def build(source: Path, output: Path, epoch_s: int, image: tuple[str, str]) -> Path:
    """The chart of a copy of the tree, packed; ``image``: its address and digest. DataInvalid, EnvironmentUnfit."""
    filled = output / "filled" / "loraruner"
    shutil.copytree(source / CHART, filled)
    values = filled / "values.yaml"
    values.write_text(with_image(values.read_text(encoding="utf-8"), *image), encoding="utf-8")
    try:
        return package(filled, output, epoch_s)
    except FileNotFoundError as error:
        raise EnvironmentUnfit(str(error)) from error
    except ValueError as error:
        raise DataInvalid(str(error)) from error


def with_image(values: str, address: str, digest: str) -> str:
    """values.yaml with ``image.repository`` and ``image.digest`` set, all else as it was; DataInvalid."""
    block = re.search(r"^image:\n(?:(?:[ \t]+.*|#.*)?\n)+", values, flags=re.MULTILINE)
    if block is None:
        raise DataInvalid(f"{CHART}/values.yaml has no block image: the digest has no place")
    text = block[0]
    for name, value in (("repository", address), ("digest", digest)):
        text, count = re.subn(rf"^(  {name}:)[^\n]*$", rf'\g<1> "{value}"', text, flags=re.MULTILINE)
        if count != 1:
            raise DataInvalid(f"{CHART}/values.yaml has {count} lines image.{name}: one is needed")
    return values[: block.start()] + text + values[block.end() :]


def versions(source: Path) -> tuple[str, str]:
    """The chart's version and the version of loraruner that it is for; DataInvalid."""
    import yaml

    try:
        chart = yaml.safe_load((source / CHART / "Chart.yaml").read_text(encoding="utf-8"))
        return str(chart["version"]), str(chart["appVersion"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DataInvalid(f"{CHART}/Chart.yaml can't be used ({error}): it needs version and appVersion") from error
