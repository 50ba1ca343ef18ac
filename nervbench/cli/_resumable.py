"""What a run that is stopped before its end says: the command that does the rest."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence

import click

from nervbench.errors import OutputError

TERMINATED = 128 + signal.SIGTERM


@contextlib.contextmanager
def resumable(words: Sequence[object]) -> Iterator[None]:
    """Tell the words of the command that goes on, where the block is interrupted or cannot write.

    SIGTERM, which a machine sends that is shut down or a queue whose time is over, interrupts as Ctrl-C does: what is
    under way is ended and cleared away. Its exit code is 143.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        click.echo(f"interrupted; {go_on_with(words)}", err=True)
        raise
    except OutputError as error:
        msg = f"{error}; {go_on_with(words)}"
        raise OutputError(msg) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def go_on_with(words: Sequence[object]) -> str:
    """The end of a sentence: the command of these words."""
    return f"go on with: {shlex.join(map(str, words))}"
