"""Exit codes and messages of the command line as a whole."""

from __future__ import annotations

import pytest

from nervbench.cli import main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rnu"], "unknown command 'rnu'; known: "),
        (["run", "--ony", "x"], "--ony"),
        (["train", "nerv-s", "--epochs", "0"], "--epochs"),
        (["models", "extra"], "extra"),
        (["export", "nerv-xs", "--to", "onxx", "-o", "x.onnx"], "onxx"),
        (["eval", "nerv-xz"], "did you mean 'nerv-xs'?"),
    ],
)
def test_usage(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error is one message on stderr that says what was found, and exit code 1."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    out, err = capsys.readouterr()

    assert caught.value.code == 1
    assert says in err
    assert "Traceback" not in out + err


def test_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a verb the help is shown."""
    with pytest.raises(SystemExit):
        main([])
    assert "Commands:" in "".join(capsys.readouterr())


def test_nothing_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """A message shows what a name holds, but does nothing to the terminal."""
    with pytest.raises(SystemExit):
        main(["eval", "a\x1b[2J\u202eb.pth"])
    err = capsys.readouterr().err
    assert "a?[2J?b.pth" in err
    assert err.rstrip("\n").isprintable()
