"""Rows of convolutions as CSV."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nervbench.errors import InputError
from nervbench.explain import kernel_csv
from nervbench.shapes import Convolution

HEAD = "batch,in_channels,out_channels,height_width,v100_ms"


def test_reads() -> None:
    """A row is a square 3×3 convolution and its time in seconds; other columns stay in their place."""
    found = kernel_csv.parse(f'note,{HEAD}\n"a,b",1,3,8,10,0.5\n', "v100")

    assert found.kernels == (Convolution(1, 3, 8, 10, 10),)
    assert found.times_s == (0.0005,)
    assert kernel_csv.to_text(found, [(1e-3, 5e-4, 2e-3)]).splitlines()[1] == '"a,b",1,3,8,10,0.5,1,0.5,2'


def test_times_of_others_may_be_absent() -> None:
    """Without a device to start from no column of times is needed, and what is in one does not matter."""
    assert kernel_csv.parse(f"{HEAD}\n1,3,8,10,\n").times_s is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no heading; expected columns batch"),
        (f"{HEAD}\n", "no rows"),
        ("batch,in_channels,out_channels\n1,2,3\n", "no column height_width, v100_ms; found 'batch'"),
        (f"{HEAD},batch\n1,3,8,10,1,1\n", "column batch is there more than once"),
        (f"{HEAD},low_ms\n1,3,8,10,1,1\n", "column low_ms is there already"),
        (f"{HEAD}\n1,3,8,10\n", "line 2: 4 cells under 5 columns"),
        (f"{HEAD}\n1,3,x,10,1\n", "line 2: out_channels is 'x'; expected a whole number"),
        (f"{HEAD}\n0,3,8,10,1\n", "line 2: batch is '0'"),
        (f"{HEAD}\n1,-3,8,10,1\n", "line 2: in_channels is '-3'"),
        (f"{HEAD}\n1,3,8,1.5,1\n", "line 2: height_width is '1.5'"),
        (f"{HEAD}\n1,3,8,99999999999,1\n", "height_width is '99999999999'"),
        (f"{HEAD}\n1000000,1000000,1000000,1000000,1\n", "FLOP; at most"),
        (f"{HEAD}\n1,3,8,10,nan\n", "line 2: v100_ms is 'nan'; expected milliseconds"),
        (f"{HEAD}\n1,3,8,10,-1\n", "v100_ms is '-1'"),
        (f"{HEAD}\n1,3,8,10,inf\n", "v100_ms is 'inf'"),
        (f"{HEAD}\n1,3,8,10,\n", "v100_ms is ''"),
    ],
)
def test_refuses(text: str, says: str) -> None:
    """What is not a table of convolutions is refused with the line and what was expected."""
    with pytest.raises(InputError, match=re.escape(says)):
        kernel_csv.parse(text, "v100")


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file over the bounds of bytes or rows is refused, not read."""
    path = tmp_path / "rows.csv"
    path.write_text(f"{HEAD}\n" + "1,3,8,10,1\n" * 3)
    monkeypatch.setattr(kernel_csv, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="over 2 rows"):
        kernel_csv.read(path, "v100")
    path.write_bytes(b"a" * 2000)
    monkeypatch.setattr(kernel_csv, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="split it"):
        kernel_csv.read(path)


def test_not_text(tmp_path: Path) -> None:
    """Bytes that are no text, and a missing file, are refused."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        kernel_csv.read(path)
    with pytest.raises(InputError, match="cannot read"):
        kernel_csv.read(tmp_path / "none.csv")
