"""The built image in a registry."""

from pathlib import Path

from tests.support.containers_run import told


def push(image: str, host: str, folder: Path) -> tuple[str, str]:
    """Push an image and pull it again by digest; returns repository and ``sha256:...``."""
    repository = f"{host}/ml/loraruner"
    named = folder / "digest"
    told("push", "--quiet", "--tls-verify=false", "--digestfile", str(named), image, f"docker://{repository}:pushed")
    digest = named.read_text().strip()
    told("pull", "--quiet", "--tls-verify=false", f"{repository}@{digest}")
    return repository, digest
