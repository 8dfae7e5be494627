"""Base models that mean harm: headers that lie, settings that point outside, templates that are programs."""

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraruner.data.samples import Message, Row
from loraruner.errors import DataInvalid
from loraruner.families.causal_lm import template_limits
from loraruner.families.causal_lm.encode import encode
from loraruner.families.causal_lm.gguf_header import read_gguf_header
from loraruner.pretrained import hf_folder, weights
from loraruner.pretrained.hf_folder import check_tokenizer, check_weights, read_json, refuse_code
from loraruner.pretrained.weights import check_safetensors
from tests.support.measured import MEBIBYTE, measured
from tests.support.surroundings import untouched
from tests.support.tiny_lm import byte_tokenizer

FUZZED = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CHECK = """
import sys
from pathlib import Path
from loraruner.errors import LoraRunerError
from loraruner.pretrained.hf_folder import read_json
from loraruner.pretrained.weights import check_safetensors
path = Path(sys.argv[1])
try:
    (check_safetensors if path.suffix == ".safetensors" else read_json)(path)
except LoraRunerError as error:
    print(int(error.code))
"""


def safetensors(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with any header, whose length may lie."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


LIES = {
    "longer than the file": safetensors(b"{}", length=1 << 40),
    "negative": safetensors(b"{}", length=(1 << 64) - 8),
    "above the format's limit": safetensors(b"{}", length=100_000_001),
    "not a number": safetensors(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}', bytes(4)),
    "numbers of any size": safetensors(b'{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}', bytes(4)),
    "digits without an end": safetensors(b'{"a": {"shape": [' + b"9" * 9000 + b"]}}"),
    "size that overflows": safetensors(
        json.dumps({"a": {"dtype": "F32", "shape": [1 << 62, 8], "data_offsets": [0, 0]}}).encode()
    ),
    "zero times anything": safetensors(
        json.dumps({"a": {"dtype": "F32", "shape": [0, -1], "data_offsets": [0, 0]}}).encode()
    ),
    "ends before it begins": safetensors(
        json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 0]}}).encode(), b"1"
    ),
    "name twice": safetensors(b'{"a": {}, "a": {}}'),
    "deep": safetensors(b'{"a":' * 100_000),
    "half a pair": safetensors(b'{"\\ud800": {"dtype": "\\ud800"}}'),
    "other kinds": safetensors(b"[" * 3 + b"]" * 3),
    "nothing": b"",
}


@pytest.mark.parametrize("content", LIES.values(), ids=LIES)
def test_headers_of_weights_that_lie(content: bytes, tmp_path: Path) -> None:
    """65 in a sentence that can be printed, before a byte of the weights is read."""
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(DataInvalid) as caught:
        check_safetensors(tmp_path / "m.safetensors")
    assert str(caught.value).encode(errors="backslashreplace") and "fetch it again" in str(caught.value)


def test_headers_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and headers of millions of values are refused from their brackets, not parsed."""
    monkeypatch.setattr(hf_folder, "MAX_PARSED_BYTES", MEBIBYTE)
    monkeypatch.setattr(weights, "MAX_PARSED_BYTES", MEBIBYTE)
    bomb = b'{"a": [' + b"{}," * 10_000 + b"{}]}"
    (tmp_path / "config.json").write_bytes(bomb)
    (tmp_path / "m.safetensors").write_bytes(safetensors(bomb))
    with pytest.raises(DataInvalid, match="its JSON would take"):
        read_json(tmp_path / "config.json")
    with pytest.raises(DataInvalid, match="the header would take"):
        check_safetensors(tmp_path / "m.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tokenizer.json", "m.safetensors"])
@pytest.mark.parametrize("part", [b"{},", b"[],", b"1e1,", b'"a",'])
def test_bounded_memory_for_headers(name: str, part: bytes, tmp_path: Path) -> None:
    """The largest header or tokenizer that is read at all takes below 500 MiB, whatever it holds."""
    content = b'{"a":[' + part * (60 * MEBIBYTE // len(part)) + b"0]}"
    (tmp_path / name).write_bytes(safetensors(content) if name.startswith("m") else content)
    told = measured(["-c", CHECK, tmp_path / name], tmp_path)
    assert (told.code, told.out) == (0, "65\n"), told.err
    assert told.peak_bytes < 500 * MEBIBYTE


def gguf(*parts: tuple[str, Any], version: int = 3, tensors: int = 0, entries: int = 0) -> bytes:
    """The beginning of a GGUF file and values of it as (format, value), texts with their length."""
    raw = b"GGUF" + struct.pack("<IQQ", version, tensors, entries)
    for form, value in parts:
        raw += struct.pack("<Q", len(value)) + value if form == "text" else struct.pack(f"<{form}", value)
    return raw


KEY = ("text", b"key")
GGUFS = {
    "2^60 tensors": gguf(tensors=1 << 60),
    "2^60 entries": gguf(entries=1 << 60),
    "key of 2^60 letters": gguf(("Q", 1 << 60), entries=1),
    "text of 2^63 letters": gguf(KEY, ("I", 8), ("Q", 1 << 63), entries=1),
    "array of 2^60": gguf(KEY, ("I", 9), ("I", 4), ("Q", 1 << 60), entries=1),
    "array of 2^60 texts": gguf(KEY, ("I", 9), ("I", 8), ("Q", 1 << 60), entries=1),
    "array of arrays": gguf(KEY, ("I", 9), ("I", 9), ("Q", 1), entries=1),
    "unknown kind": gguf(KEY, ("I", 13), entries=1),
    "alignment of nothing": gguf(("text", b"general.alignment"), ("I", 4), ("I", 0), entries=1),
    "tensor of many dimensions": gguf(KEY, ("I", 1 << 31), tensors=1),
    "tensor beyond the file": gguf(KEY, ("I", 1), ("Q", 1 << 62), ("I", 0), ("Q", 0), tensors=1),
    "place beyond the file": gguf(KEY, ("I", 1), ("Q", 1), ("I", 0), ("Q", 1 << 63), tensors=1),
    "unknown quantisation": gguf(KEY, ("I", 1), ("Q", 1), ("I", 999), ("Q", 0), tensors=1),
    "another version": gguf(version=1 << 31),
}


@pytest.mark.parametrize("content", GGUFS.values(), ids=GGUFS)
def test_headers_of_gguf_that_lie(content: bytes, tmp_path: Path) -> None:
    """Counts, lengths and kinds that can't be are 65, without the memory that they ask for."""
    (tmp_path / "m.gguf").write_bytes(content + bytes(64))
    with pytest.raises(DataInvalid, match="not a whole GGUF file"):
        read_gguf_header(tmp_path / "m.gguf")


@FUZZED
@given(content=st.binary(max_size=200), kept=st.integers(0, 24))
def test_any_bytes_of_weights(content: bytes, kept: int, tmp_path: Path) -> None:
    """Random bytes behind a sound beginning are a header or 65, in both formats."""
    sound = gguf(("text", b"general.name"), ("I", 8), ("text", b"x"), tensors=1, entries=1)
    (tmp_path / "m.gguf").write_bytes(sound[:kept] + content)
    (tmp_path / "m.safetensors").write_bytes(safetensors(content, length=None if kept % 2 else kept))
    for read, name in ((read_gguf_header, "m.gguf"), (check_safetensors, "m.safetensors")):
        with contextlib.suppress(DataInvalid):
            read(tmp_path / name)


OUTSIDE = ("../../secret", "/etc/passwd", "~/secret", "file:///etc/passwd", "https://evil.example/x", "a/../../secret")


@pytest.mark.parametrize("value", OUTSIDE)
@pytest.mark.parametrize("name, key", [("config.json", "text_config"), ("tokenizer_config.json", "tokenizer_file")])
def test_settings_that_point_outside(value: str, name: str, key: str, tmp_path: Path) -> None:
    """Wherever a path out of the folder stands in the settings, the model is refused with its place."""
    (tmp_path / name).write_text(json.dumps({"deep": [{key: value}]}))
    with pytest.raises(DataInvalid, match=rf"\$\.deep\[0\]\.{key} = .* points outside"):
        refuse_code(tmp_path, [name])


@pytest.mark.parametrize("shard", ["../../secret", "/etc/passwd", "a/b.safetensors", "..", ".safetensors/x", 7, None])
def test_shards_that_lie_elsewhere(shard: object, tmp_path: Path) -> None:
    """An index of shards names files of its own folder alone."""
    with untouched(tmp_path) as folder:
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": {"a": shard}}))
        with pytest.raises(DataInvalid, match=r"which is no \.safetensors file of its folder"):
            check_weights(tmp_path, "needed")
        index.unlink()
        assert folder.exists()


@pytest.mark.parametrize("content", [b"[" * 100_000, b'"a"', b"", b"{" + b'"a":' * 9, b"\xff\xfe", b"9" * 9000])
def test_tokenizers_that_are_none(content: bytes, tmp_path: Path) -> None:
    """Depth, other values and broken text are 65 before a tokenizer is made of them."""
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(DataInvalid):
        check_tokenizer(tmp_path)


CHAT = [Row("r:1", messages=(Message("user", "a"), Message("assistant", "b")))]
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
RECURSION = "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}"
# Templates that are stopped: the row is bad.
UNFIT = {
    "internals": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "internals by a filter": "{{ ''|attr('__class__')|attr('__mro__') }}",
    "globals of a function": "{{ raise_exception.__globals__['os'].system('touch evil') }}",
    "long range": "{% for a in range(10 ** 9) %}{% endfor %}",
    "division": "{{ 1 // 0 }}",
    "kinds": "{{ messages + 1 }}",
    "files": "{% include '/etc/passwd' %}",
    "imports": "{% import 'os' as os %}",
    "no such filter": "{{ 1|nothing }}",
    "format": "{{ '{0.__class__}'.format(1) }}{{ raise_exception('end') }}",
    "change": "{{ messages.append(1) }}",
    "recursion": RECURSION,
    "long text": "{{ 'a' * 17000000 }}",
}
# Templates that would do so for every row: the job ends.
ENDLESS = {
    "loops": LOOPS,
    "memory": "{{ 'a' * 10 ** 11 }}",
    "width": "{{ 'a'|center(10 ** 11) }}",
    "doubling": "{% set n = namespace(t='a') %}{% for i in range(99) %}{% set n.t = n.t + n.t %}{% endfor %}{{ n.t }}",
    "power": "{{ (messages|length * 5) ** (10 ** 10) }}",
}


@pytest.mark.parametrize("template", UNFIT.values(), ids=UNFIT)
def test_templates_that_are_refused(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a chat template may not do skips the row with the reason; nothing runs and nothing is written."""
    monkeypatch.chdir(tmp_path)
    found = encode(byte_tokenizer(template), CHAT, 500)
    assert found.rows == [] and found.skipped[0]
    assert list(tmp_path.iterdir()) == []


def test_limits_of_two_threads_do_not_mix() -> None:
    """A rendering waits for another thread's: none puts back the other's limits when it ends."""
    import resource
    import threading

    before, inside, leave = resource.getrlimit(resource.RLIMIT_AS), threading.Event(), threading.Event()
    order: list[str] = []

    def render(name: str) -> None:
        with template_limits.template_limited():
            order.append(f"{name} in")
            inside.set()
            leave.wait(0.2)
            order.append(f"{name} out")

    threads = [threading.Thread(target=render, args=(name,)) for name in ("a", "b")]
    threads[0].start()
    inside.wait()
    threads[1].start()
    for thread in threads:
        thread.join()
    assert order == ["a in", "a out", "b in", "b out"]
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize("template", ENDLESS.values(), ids=ENDLESS)
def test_templates_without_an_end(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time and memory of a rendering have an end: 65, and this process has its own limits back."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGVTALRM)
    monkeypatch.setattr(template_limits, "MAX_RENDER_S", 0.3)
    monkeypatch.setattr(template_limits, "MAX_RENDER_BYTES", 256 * MEBIBYTE)
    with pytest.raises(DataInvalid, match=r"\$\.model\.base: its chat template (computes longer|asks for more)"):
        encode(byte_tokenizer(template), CHAT, 500)
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGVTALRM)) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
