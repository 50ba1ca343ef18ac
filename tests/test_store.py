"""Results on disk survive kills and refuse what they cannot mean."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervbench import store
from nervbench.errors import OutputError, ResultsError
from nervbench.records import Ceilings, DeviceCard, Doubt, Playback, Quality, Result, Stages, Status, Telemetry, case_of

CASE = case_of("nerv-s", "bf16", "ov", 1, "single_stream", "seeded:0")
CARD = DeviceCard("cpu", "a processor", 2, 2, None, {"l2": 1024}, None, ("avx2",), Ceilings({"fp32": 1e11}, None, 3.0))
RESULT = Result(CASE, Status.OK, device=CARD, samples_s=(0.5, 0.25), telemetry=Telemetry((1.0,), "noise"))


def changed(result: Result, **top: object) -> str:
    """The line of a result with other values at its top level."""
    return json.dumps(json.loads(store.to_line(result)) | top)


@given(
    reason=st.none() | st.text(),
    samples=st.lists(st.floats(store.LEAST_S, store.MOST_S), max_size=5),
    doubt=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
)
def test_round_trip(reason: str | None, samples: list[float], doubt: dict[str, float]) -> None:
    """Whatever text and finite numbers a result holds, it is read back equal from one line."""
    result = replace(RESULT, reason=reason, samples_s=tuple(samples), doubts=(Doubt("noisy", doubt),))
    line = store.to_line(result)
    assert "\n" not in line
    assert store.from_line(line) == result


def test_keys_of_a_line() -> None:
    """A line has exactly the documented keys, in their order."""
    assert tuple(json.loads(store.to_line(RESULT))) == (
        *("schema", "case", "status", "reason", "device", "environment", "artifact", "cost"),
        *("samples_s", "telemetry", "quality", "fidelity", "doubts", "profile", "wall_s", "place"),
    )


def test_schema_1() -> None:
    """A line of the first schema knows no protocol: it was timed strictly, and its FPS are of the median."""
    fields = json.loads(changed(RESULT, schema=1))
    del fields["case"]["protocol"], fields["telemetry"]["averaged"]
    read = store.from_line(json.dumps(fields))
    assert (read.case.protocol, read.telemetry and read.telemetry.averaged) == ("strict", "median")
    assert replace(read, schema=RESULT.schema) == RESULT


def test_undecodable_path_in_a_reason() -> None:
    """A reason with the bytes of an undecodable file name is stored readable instead of failing."""
    result = replace(RESULT, reason="no file \udcff.onnx")
    assert store.from_line(store.to_line(result)).reason == "no file ?.onnx"


@pytest.mark.parametrize(
    ("text", "other", "says"),
    [
        ('"batch": 1', '"batch": 0', "case.batch: 0; a batch is 1 frame or more"),
        ("[0.5, 0.25]", "[0.5, 0.0]", "samples_s: 0; a decode takes 1e-12 to 1e+09 seconds"),
        ("[0.5, 0.25]", "[0.5, -1.0]", "samples_s: -1; a decode"),
        ('"calls_per_sample": 1', '"calls_per_sample": 0', "telemetry.calls_per_sample: 0; a sample is 1 call"),
        ('"rate_hz": 25.0', '"rate_hz": 0.0', "telemetry.playback.rate_hz: 0; a display"),
        ('"ticks": [0, 1]', '"ticks": [0]', "telemetry.playback: 1 ticks, but 2 entries in late_s"),
        ('"write_s": [0.1]', '"write_s": [-0.1]', "telemetry.stages: a stage of less than 0 seconds"),
        ('"write_s": [0.1]', '"write_s": []', "telemetry.stages: decode_s, fetch_s and write_s have not the same"),
    ],
)
def test_reading_refuses_what_no_measurement_gives(text: str, other: str, says: str) -> None:
    """Numbers that those who compute with a result divide by, or pair with others, are checked once, when read."""
    playback = Playback(25.0, 0.1, (0, 1), (0.0, -0.01), 0, (), 0.2)
    told = Telemetry(stages=Stages((0.2,), (0.1,), (0.1,), 0.3), playback=playback)
    line = store.to_line(replace(RESULT, telemetry=told))
    assert text in line
    store.from_line(line)
    with pytest.raises(ResultsError, match=re.escape(says)):
        store.from_line(line.replace(text, other))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_writing_refuses_numbers_that_are_none(value: float) -> None:
    """A NaN or an infinity is not written; the message names the case."""
    with pytest.raises(ResultsError, match="nerv-s/bf16/ov/b1"):
        store.to_line(replace(RESULT, samples_s=(value,)))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_reading_refuses_numbers_that_are_none(value: str) -> None:
    """A NaN or an infinity in a file is refused wherever it stands, with the name of the field."""
    with pytest.raises(ResultsError, match=r"samples_s\.0"):
        store.from_line(store.to_line(RESULT).replace("0.5", value))
    with pytest.raises(ResultsError, match=r"flop_per_s\.fp32"):
        store.from_line(store.to_line(RESULT).replace("100000000000.0", value))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("null", "not a result"),
        ("[1]", "not a result"),
        ("{}", "no valid schema"),
        (changed(RESULT, schema=True), "no valid schema"),
        (store.to_line(RESULT).replace('"schema": 2, ', ""), "no valid schema"),
        (store.to_line(RESULT)[:-1] + ', "schema": 99}', "schema 99.*upgrade"),
        (store.to_line(RESULT)[:-1] + f', "later": [{10**19}]}}', "20 digits"),
        (changed(RESULT, schema="1"), "no valid schema"),
        (changed(RESULT, schema=3), "schema 3.*upgrade"),
        (changed(RESULT, status="FINE"), "status"),
        (changed(RESULT, case=None), "case"),
        (changed(RESULT, samples_s=["0.5"]), "samples_s"),
    ],
)
def test_malformed_lines(line: str, message: str) -> None:
    """Every kind of wrong line is refused with what is wrong about it."""
    with pytest.raises(ResultsError, match=message):
        store.from_line(line)


def test_fields_of_a_newer_version_are_ignored() -> None:
    """A line with keys that this version does not know loads, at the top level and inside."""
    fields = json.loads(store.to_line(RESULT)) | {"weather": "fine"}
    fields["device"]["colour"] = "green"
    assert store.from_line(json.dumps(fields)) == RESULT


def test_fields_that_an_older_version_lacks() -> None:
    """A line without an optional field loads with its default."""
    quality = Quality(1, 30.0, 30.0, 0, None, None, 0.1, "c", "s", "bicubic")
    fields = json.loads(store.to_line(replace(RESULT, quality=quality)))
    del fields["quality"]["reference_psnr_db"]
    assert store.from_line(json.dumps(fields)).quality == quality


def test_append_and_read(tmp_path: Path) -> None:
    """Results come back in the order in which they were appended; the folder is made."""
    path = tmp_path / "deep" / "results.jsonl"
    results = [replace(RESULT, reason=str(number)) for number in range(3)]
    for result in results:
        store.append(path, result)
    assert store.read(path) == results
    assert path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("cut", [1, 2, 40, 300])
def test_torn_last_line(tmp_path: Path, cut: int) -> None:
    """A line torn by a kill is dropped when read, and the next append leaves no trace of it."""
    path = tmp_path / "results.jsonl"
    whole = replace(RESULT, reason="whole " + "x" * 100_000)
    store.append(path, whole)
    with path.open("ab") as file:
        file.write(store.to_line(RESULT).encode()[:-cut])
    assert store.read(path) == [whole]
    store.append(path, RESULT)
    assert store.read(path) == [whole, RESULT]


def test_torn_only_line(tmp_path: Path) -> None:
    """A file that holds nothing but half a line reads as empty and can be appended to."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"schema": 1, "ca\xc3')
    assert store.read(path) == []
    store.append(path, RESULT)
    assert store.read(path) == [RESULT]


def test_whole_line_without_newline(tmp_path: Path) -> None:
    """A complete last line without its newline (an editor's doing) is a result and stays one."""
    path = tmp_path / "results.jsonl"
    path.write_text(store.to_line(RESULT))
    assert store.read(path) == [RESULT]
    store.append(path, RESULT)
    assert store.read(path) == [RESULT, RESULT]


def test_malformed_middle_line_has_its_number(tmp_path: Path) -> None:
    """A wrong line that no kill explains is an error with file and line number."""
    path = tmp_path / "results.jsonl"
    line = store.to_line(RESULT)
    path.write_text(f"{line}\n{line[:50]}\n{line}\n")
    with pytest.raises(ResultsError, match=r"results\.jsonl, line 2: not JSON"):
        store.read(path)


def test_invalid_text_has_its_number(tmp_path: Path) -> None:
    """Bytes that are no text are an error with the line number, not a traceback."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ResultsError, match="line 1"):
        store.read(path)


def test_newer_last_line_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    """A complete last line of a newer schema is refused, with or without its newline, never dropped."""
    path = tmp_path / "results.jsonl"
    path.write_text(f"{store.to_line(RESULT)}\n{changed(RESULT, schema=99)}")
    with pytest.raises(ResultsError, match="line 2: written with schema 99"):
        store.read(path)


def test_empty_and_missing_files(tmp_path: Path) -> None:
    """An empty file has no results; a missing one is an error."""
    path = tmp_path / "results.jsonl"
    with pytest.raises(ResultsError, match="cannot read"):
        store.read(path)
    path.touch()
    assert store.read(path) == []


def test_unwritable_file(tmp_path: Path) -> None:
    """A path that cannot be written is an OutputError."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        store.append(tmp_path / "file" / "results.jsonl", RESULT)


def test_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that ends early is an OutputError and is taken back."""
    path = tmp_path / "results.jsonl"
    store.append(path, RESULT)
    before = path.read_bytes()
    write = os.write
    monkeypatch.setattr("nervbench.store.os.write", lambda descriptor, data: write(descriptor, data[:20]))
    with pytest.raises(OutputError, match="No space left"):
        store.append(path, RESULT)
    assert path.read_bytes() == before


def test_one_write_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is written with one call and synced after it."""
    calls: list[str] = []
    write, sync = os.write, os.fsync

    def counted_write(descriptor: int, data: bytes) -> int:
        calls.append("write")
        return write(descriptor, data)

    def counted_sync(descriptor: int) -> None:
        calls.append("sync")
        sync(descriptor)

    monkeypatch.setattr("nervbench.store.os.write", counted_write)
    monkeypatch.setattr("nervbench.store.os.fsync", counted_sync)
    store.append(tmp_path / "results.jsonl", RESULT)
    assert calls == ["write", "sync"]


def test_analysis_needs_no_framework() -> None:
    """Reading results and writing pages imports no framework."""
    frameworks = ("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "triton")
    modules = "nervbench.store, nervbench.report.pages, nervbench.report.terminal, nervbench.cli.report"
    code = f"import sys, {modules}; assert not set({frameworks}) & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_numbers_that_overflow(digits: int) -> None:
    """A whole number of more digits than any count has is refused: divided by another it would overflow."""
    line = store.to_line(RESULT).replace('"threads": 2', f'"threads": {"9" * digits}')
    with pytest.raises(ResultsError, match=f"a whole number of {digits} digits; at most 19"):
        store.from_line(line)


@pytest.mark.parametrize("schema", ["[" * 900 + "]" * 900, '"' + "x" * 9999 + '"', '"\\u001b[2J"', "-1"])
def test_messages_can_be_shown(schema: str) -> None:
    """Whatever a line holds, what is said of it is short and cannot move the cursor of a terminal."""
    hostile = json.dumps({"\x1b[2J" * 100: "x"})
    for line in (f'{{"schema": {schema}}}', store.to_line(RESULT).replace('{"l2": 1024}', hostile)):
        with pytest.raises(ResultsError) as raised:
            store.from_line(line)
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 1000


def test_a_link_in_the_place_of_the_results(tmp_path: Path) -> None:
    """A results file that is a link (in a folder from elsewhere) is not written through: its target stays whole."""
    (tmp_path / "precious").write_text("a line without an end")
    (tmp_path / "results.jsonl").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError, match=r"cannot write .*results\.jsonl"):
        store.append(tmp_path / "results.jsonl", RESULT)
    assert (tmp_path / "precious").read_text() == "a line without an end"
