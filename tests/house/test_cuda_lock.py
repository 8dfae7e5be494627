"""docker/cuda.lock is complete and agrees with docker/cpu.lock, although no machine here can run what it locks."""

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
cuda_lock = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/cuda_lock.py")))
parse = cuda_lock.parse
CPU = (ROOT / "docker/cpu.lock").read_text()
CUDA = (ROOT / "docker/cuda.lock").read_text()
TORCH = (ROOT / "ci/torch.txt").read_text().strip()
LIBRARIES = {
    *("cublas", "cuda-cupti", "cuda-nvrtc", "cuda-runtime", "cudnn-cu13", "cufft", "cufile", "curand", "cusolver"),
    *("cusparse", "cusparselt-cu13", "nccl-cu13", "nvjitlink", "nvshmem-cu13", "nvtx"),
}


def test_the_lock_is_complete() -> None:
    """Every requirement of every package, by its markers on Linux and Python 3.11, is locked at a fitting version."""
    done = subprocess.run([sys.executable, "ci/cuda_lock.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cuda_build_is_locked() -> None:
    """torch is no CPU build; the libraries that it loads are there beside all that docker/cpu.lock has."""
    shared, locked = parse(CPU), parse(CUDA)
    assert {name: locked[name] for name in shared} == shared
    added = set(locked) - set(shared)
    assert {name.removeprefix("nvidia-") for name in added if name.startswith("nvidia-")} == LIBRARIES
    assert added - {f"nvidia-{name}" for name in LIBRARIES} == {
        *("torch", "triton", "cuda-toolkit", "cuda-bindings", "cuda-pathfinder")
    }
    assert "+cpu" not in CUDA and locked["torch"] != parse((ROOT / "docker/torch-cpu.lock").read_text())["torch"]


def test_the_lock_says_what_nothing_tries() -> None:
    """The head tells that the lock was resolved from metadata and that no check builds an image from it."""
    head = "".join(line for line in CUDA.splitlines(keepends=True)[:2] if line.startswith("#"))
    assert "no check builds an image from it" in head and "metadata" in head and "Python 3.11" in head


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("\nnvidia-nccl-cu13==", "\nnvidia-nccl-cu13==0.", "torch needs nvidia-nccl-cu13=="),
        ("\nnvidia-cublas==", "\nnvidia-other==", "cuda-toolkit needs nvidia-cublas=="),
        ("\nnvidia-cublas==", "\nnvidia-other==", "nvidia-other is needed by nothing"),
        (f"\n{TORCH}", f"\n{TORCH}+cpu", f"torch {TORCH[7:]}+cpu is a local build"),
        (f"\n{TORCH}", "\ntorch==2.1", "torch is not the version of ci/torch.txt"),
        ("\nclick==8", "\nclick==7", "click is not as docker/cpu.lock has it"),
        ("\nclick==8", "\nclick==7", "loraruner needs click>=8.1, and the lock has 7"),
    ],
)
def test_a_fault_is_found(before: str, after: str, fault: str) -> None:
    """A missing, unfitting, superfluous, changed or CPU-only package is named."""
    assert CUDA.count(before) >= 1
    found = cuda_lock.faults(CUDA.replace(before, after), CPU)
    assert [each for each in found if each.startswith(fault)]


def entry(name: str, version: str, *requires: str) -> dict[str, Any]:
    """A package as pip's report tells of it."""
    return {
        "metadata": {"name": name, "version": version, "requires_dist": [*requires]},
        "download_info": {"archive_info": {"hashes": {"sha256": name[:1].encode().hex() * 32}}},
    }


def test_markers_and_extras_decide_what_is_needed() -> None:
    """Only what applies on this platform, with the extras that another package asks for, is written as needed."""
    report = [
        entry("Torch", "2", 'kit[blas]; platform_system == "Linux"', 'other; platform_system == "Windows"'),
        entry("kit", "1", 'nvidia_blas==3.*; extra == "blas"', 'nvidia-jpeg; extra == "jpeg"'),
        entry("nvidia.blas", "3.1"),
    ]
    text = cuda_lock.render(
        dict(map(cuda_lock.package, report)), {"nvidia-blas": "nvidia-blas==3.1 \\\n 6e" + "6e" * 31}
    )
    assert "# torch needs kit[blas]\ntorch==2 \\\n    --hash=sha256:54" in text
    assert "# kit needs nvidia_blas==3.*\nkit==1 \\\n" in text and "jpeg" not in text and "other" not in text


def test_another_file_of_a_shared_version_ends_it() -> None:
    """A wheel whose hash docker/cpu.lock does not list is never locked in its place."""
    packages = dict([cuda_lock.package(entry("click", "8"))])
    with pytest.raises(SystemExit, match="another file of click 8"):
        cuda_lock.render(packages, {"click": "click==8 \\\n    --hash=sha256:00\n"})


def test_pins_stay_until_torch_moves() -> None:
    """Locked libraries are kept for the same torch, and given up for another one."""
    last = "nvidia-x==1 \\\n    --hash=sha256:00\ntorch==2 \\\n    --hash=sha256:01\n"
    assert cuda_lock.kept_pins(last, ["torch==2", "click==8"]) == ["nvidia-x==1"]
    assert cuda_lock.kept_pins(last, ["torch==3", "click==8"]) == []


def test_places_of_a_cpu_build_are_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's configuration is taken over, but no folder or second index that may hold another torch."""
    conf = tmp_path / "pip.conf"
    conf.write_text("[global]\nindex-url = https://registry.example.com/simple\nfind-links = /wheels\ncert = /ca.pem\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(conf))
    assert cuda_lock.configuration() == "[global]\ncert = /ca.pem\nindex-url = https://registry.example.com/simple\n"
