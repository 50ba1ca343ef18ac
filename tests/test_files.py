"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nervbench.errors import OutputError
from nervbench.files import within, writable_folder, write_atomically


def test_writes_text_and_bytes(tmp_path: Path) -> None:
    """Text is written as UTF-8, bytes as they are, and missing folders are made."""
    write_atomically(tmp_path / "a" / "b" / "text", "bpp – 0.1\n")
    write_atomically(tmp_path / "bytes", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "text").read_text(encoding="utf-8") == "bpp – 0.1\n"
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"


def test_others_may_read(tmp_path: Path) -> None:
    """A written file has the mode of any other file, not the private one of a temporary file."""
    write_atomically(tmp_path / "a", "x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_replaces(tmp_path: Path) -> None:
    """An existing file is replaced, and nothing else is left in the folder."""
    (tmp_path / "a").write_text("old and longer")
    write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | type[BaseException]
) -> None:
    """A write that is interrupted or fails leaves the old content and no temporary file."""
    (tmp_path / "a").write_text("old")

    def fsync(_descriptor: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["file/below", "folder"])
def test_unwritable_paths_are_named(tmp_path: Path, name: str) -> None:
    """A path below a file, or that is a folder, raises OutputError with the path in it."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"cannot write .*{name}"):
        write_atomically(tmp_path / name, "x")


def test_writable_folder(tmp_path: Path) -> None:
    """A folder is made and comes back empty: the proof leaves nothing behind."""
    folder = writable_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_unwritable_folder(tmp_path: Path) -> None:
    """A folder that cannot be made raises OutputError with what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another with --out"):
        writable_folder(tmp_path / "file" / "below")


def test_within(tmp_path: Path) -> None:
    """A path below a folder may have no link on its way down; the folder itself, and the file, may be one."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert within(tmp_path / "link", "a/b") == tmp_path / "link" / "a" / "b"
    assert within(tmp_path, "link") == tmp_path / "link"
    for name in ("link/a", "link/a/b"):
        with pytest.raises(OutputError, match=r"link is a link"):
            within(tmp_path, name)
