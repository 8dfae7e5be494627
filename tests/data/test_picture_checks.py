"""Checks of a set of pictures: which findings, in which order, by how many processes, and what ends them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from loraruner.data.quality import picture_pool, picture_worker
from loraruner.data.quality.findings import Finding
from loraruner.data.quality.picture_measures import measure
from loraruner.data.quality.pictures import KINDS, Entry, check_pictures
from loraruner.errors import EnvironmentUnfit
from loraruner.spec.model import Checks, Quality
from tests.support.drawn_pictures import draw
from tests.support.spoiled_pictures import exposed

QUALITY = Quality(min_sharpness=90, min_brightness=65, max_brightness=145, max_hash_distance=8)
OFF = replace(QUALITY, checks=Checks(**dict.fromkeys(KINDS[1:], "off")))
MIN_SIDE = 128


def scene(sort: str, seed: int = 0, size: tuple[int, int] = (192, 160)) -> Image.Image:
    return draw(sort, np.random.default_rng(seed), *size)


def framed(image: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (image.width + 24, image.height + 24), "white")
    whole.paste(image, (12, 12))
    return whole


def entries(folder: Path) -> list[Entry]:
    return [Entry(path.name, path) for path in sorted(folder.iterdir())]


def check(folder: Path, quality: Quality = QUALITY, num_workers: int | None = 1) -> tuple[Finding, ...]:
    return check_pictures(entries(folder), quality, min_side=MIN_SIDE, num_workers=num_workers)


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """One picture for each kind, and two good ones."""
    cut_out = scene("leaves", 5)
    cut_out.putalpha(Image.linear_gradient("L").resize(cut_out.size))
    pictures = {
        "a-good.png": scene("portrait"),
        "b-small.png": scene("leaves", 1, (200, 100)),
        "c-wide.png": scene("leaves", 2, (500, 140)),
        "d-blurred.png": scene("leaves", 3).filter(ImageFilter.GaussianBlur(4)),
        "e-dark.png": exposed(scene("city", 4), -5),
        "f-bright.png": exposed(scene("leaves", 6), 3.5, flare=0.02),
        "g-same.png": scene("portrait").resize((384, 320)),
        "h-cut-out.png": cut_out,
        "i-framed.png": framed(scene("leaves", 7)),
        "j-good.png": scene("night", 8),
    }
    for name, image in pictures.items():
        image.save(tmp_path / name)
    (tmp_path / "k-broken.png").write_bytes((tmp_path / "a-good.png").read_bytes()[:-300])
    return tmp_path


def test_every_kind(spoiled: Path) -> None:
    """Each fault is found once, told in words that go on after the name, in the order of the names."""
    found = check(spoiled)
    assert [(each.sample, each.kind) for each in found] == [
        ("b-small.png", "too_small"),
        ("c-wide.png", "extreme_aspect"),
        ("d-blurred.png", "blurred"),
        ("e-dark.png", "under_exposed"),
        ("f-bright.png", "over_exposed"),
        ("g-same.png", "near_duplicate"),
        ("h-cut-out.png", "transparent"),
        ("i-framed.png", "framed"),
        ("k-broken.png", "unreadable"),
    ]
    details = {each.kind: each.detail for each in found}
    assert details["too_small"] == "is too small: 200 x 100 pixels, its shorter side less than 128"
    assert details["extreme_aspect"] == "is 3.6 times as wide as high, more than 2.5"
    assert re.fullmatch(r"looks like a-good\.png \(differs in [0-8] of 64 bits\)", details["near_duplicate"])
    assert details["blurred"].startswith("is blurred: sharpness ") and details["blurred"].endswith(", less than 90")
    assert details["unreadable"].startswith("does not decode: ")


def test_off_is_not_reported(spoiled: Path) -> None:
    """With every check off only what can't be read is left; with one on, that kind too."""
    assert [each.kind for each in check(spoiled, OFF)] == ["unreadable"]
    only = replace(OFF, checks=replace(OFF.checks, framed="skip"))
    assert [each.kind for each in check(spoiled, only)] == ["framed", "unreadable"]


def test_thresholds_are_the_jobs(spoiled: Path) -> None:
    """A job that asks for nothing finds nothing by measures."""
    lax = replace(QUALITY, min_sharpness=0, min_brightness=0, max_brightness=255, max_aspect=10)
    kinds = {each.kind for each in check_pictures(entries(spoiled), lax, min_side=1, num_workers=1)}
    assert kinds == {"near_duplicate", "transparent", "framed", "unreadable"}


def test_several_faults_of_one_picture(tmp_path: Path) -> None:
    """All of a picture's faults are told, in the order of the checks."""
    framed(scene("leaves", 0, (400, 100)).filter(ImageFilter.GaussianBlur(4))).save(tmp_path / "a.png")
    assert [each.kind for each in check(tmp_path)] == ["too_small", "extreme_aspect", "blurred", "framed"]


def test_dark_and_blank_pictures_are_not_called_blurred(tmp_path: Path) -> None:
    """What can't be seen has one fault; a blurred drawing on white is blurred, not over-exposed."""
    Image.new("RGB", (200, 200), "black").save(tmp_path / "black.png")
    scene("line_art", size=(200, 200)).filter(ImageFilter.GaussianBlur(4)).save(tmp_path / "drawing.png")
    Image.new("RGB", (200, 200), "white").save(tmp_path / "white.png")
    kinds = [(each.sample, each.kind) for each in check(tmp_path)]
    assert kinds == [("black.png", "under_exposed"), ("drawing.png", "blurred"), ("white.png", "over_exposed")]


def many(folder: Path, count: int) -> Path:
    """Small noise pictures, each again under another name, and some that are broken."""
    for number in range(count):
        pixels = np.random.default_rng(number // 2).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    for number in range(0, count, 25):
        (folder / f"{number:03}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return folder


def test_any_number_of_processes_finds_the_same(tmp_path: Path) -> None:
    """In order and word for word: with one, two and three processes, and whatever order the pictures are given in."""
    many(tmp_path, 150)
    alone = check(tmp_path, num_workers=1)
    assert {each.kind for each in alone} == {"unreadable", "near_duplicate", "too_small"}
    assert [each.sample for each in alone] == sorted(each.sample for each in alone)
    for num_workers in (2, 3):
        backwards = entries(tmp_path)[::-1]
        assert check_pictures(backwards, QUALITY, min_side=MIN_SIDE, num_workers=num_workers) == alone


def test_progress(tmp_path: Path) -> None:
    """It is told how many are done, up to all."""
    told: list[tuple[int, int]] = []
    many(tmp_path, 80)
    check_pictures(
        entries(tmp_path), QUALITY, min_side=1, num_workers=2, between=lambda done, total: told.append((done, total))
    )
    assert told == sorted(told)
    assert told[0] == (16, 80)
    assert told[-1] == (80, 80)


class Stopped(Exception):
    """Somebody has had enough."""


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """The processes that are started from here on."""
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def noted(*arguments: object, **options: object) -> subprocess.Popen[str]:
        started.append(popen(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return started


def stop(done: int, total: int) -> None:
    raise Stopped


def test_a_stop_ends_the_processes(tmp_path: Path, workers: list[subprocess.Popen[str]]) -> None:
    """What ``between`` raises comes out, and no process is left behind."""
    with pytest.raises(Stopped):
        check_pictures(entries(many(tmp_path, 200)), QUALITY, min_side=1, num_workers=2, between=stop)
    assert len(workers) == 2
    assert all(process.poll() is not None for process in workers)


def test_a_stop_while_duplicates_are_looked_for(tmp_path: Path) -> None:
    """The last call of ``between``, after all pictures are done, may stop it too."""
    calls = []

    def between(done: int, total: int) -> None:
        calls.append(done)
        if calls.count(total) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        check_pictures(entries(many(tmp_path, 20)), QUALITY, min_side=1, num_workers=1, between=between)


DEADLY = """
import os, signal, sys
from loraruner.data.quality import picture_worker as worker
look_at = worker.look_at
def deadly(path):
    if path.name == "100.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return look_at(path)
worker.look_at = deadly
worker.main()
"""


def test_a_process_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture it died of is named, with what to do, as an error that more memory can mend (78)."""
    monkeypatch.setattr(picture_pool, "COMMAND", (sys.executable, "-c", DEADLY))
    with pytest.raises(EnvironmentUnfit, match=r"100\.png: .*ended \(by signal 9\).*more memory"):
        check(many(tmp_path, 200), num_workers=2)


def test_a_process_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program there: one sentence, and no process is left."""
    monkeypatch.setattr(picture_pool, "COMMAND", (str(tmp_path / "gone"),))
    with pytest.raises(EnvironmentUnfit, match="can't be started"):
        check(many(tmp_path, 80), num_workers=2)


def test_few_pictures_need_no_process(tmp_path: Path, workers: list[subprocess.Popen[str]]) -> None:
    """Below what a process costs to start, none is started, however many are allowed."""
    check(many(tmp_path, picture_pool.MIN_POOLED - 1), num_workers=8)
    assert workers == []


def talk(lines: Sequence[str], folder: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        picture_pool.COMMAND,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_what_a_worker_answers(tmp_path: Path) -> None:
    """A line for each path, in order, whatever bytes the name holds: the very measures, or the reason."""
    path = tmp_path / "ä\n\udcff.png"
    scene("ink").save(path)
    (tmp_path / "broken.png").write_bytes(b"x")
    answers = talk([picture_worker.question(each) for each in (path, tmp_path / "broken.png")], tmp_path)
    assert [picture_worker.read(line) for line in answers] == [
        measure(path),
        picture_worker.look_at(tmp_path / "broken.png"),
    ]


def test_a_worker_imports_nothing_from_the_data_folder(tmp_path: Path) -> None:
    """Modules that lie among the pictures, where the command may be run, are not run."""
    for module in ("PIL", "json", "numpy", "loraruner"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('run')")
    assert talk([picture_worker.question(tmp_path / "gone.png")], tmp_path)[0].startswith('{"fault"')


def test_a_worker_loads_no_torch() -> None:
    """A process that looks at pictures holds none of the model libraries."""
    program = (
        "import sys; from loraruner.data.quality import picture_pool;"
        "print({'torch', 'transformers', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """Signals to the group leave it at work; the end of its input ends it."""
    with subprocess.Popen(picture_pool.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        for _ in range(2):
            process.stdin.write(f"{picture_worker.question(tmp_path / 'gone.png')}\n")
            process.stdin.flush()
            assert "fault" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        process.stdin.close()
        assert process.wait(timeout=20) == 0
