"""What a run that is stopped before its end says: the command that does the rest."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence

import click

from nervbench.errors import OutputError


@contextlib.contextmanager
def resumable(words: Sequence[object]) -> Iterator[None]:
    """Tell the words of the command that goes on, where the block is interrupted or cannot write."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"interrupted; {go_on_with(words)}", err=True)
        raise
    except OutputError as error:
        msg = f"{error}; {go_on_with(words)}"
        raise OutputError(msg) from error


def go_on_with(words: Sequence[object]) -> str:
    """The end of a sentence: the command of these words."""
    return f"go on with: {shlex.join(map(str, words))}"
