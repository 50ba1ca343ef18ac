"""The command line: one file a verb, imported only when that verb is asked for, so that ``--help`` is instant.

Exit codes: 0 done; 1 usage, configuration or input; 2 slower and 3 undecided (``check``, and ``compare --fail-on``);
4 some case failed (its row says how); 130 interrupted, 143 by SIGTERM (``run``).
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from nervbench import __version__
from nervbench.errors import NervbenchError, printable, unknown

INTERRUPTED = 130
VERBS = {
    "run": "Measure the cases of bench.toml and write the report.",
    "doctor": "Show this device, what can run on it, and what would make the rest run.",
    "models": "List the models with their parameters and cost.",
    "runtimes": "List the runtimes by which frames are decoded, plugins included.",
    "devices": "List the devices to measure on, and the GPUs known by their cards.",
    "suites": "List the experiments of the source study.",
    "train": "Train a model on a clip by the authors' recipe.",
    "tune": "Search for the recipe that trains a model best.",
    "eval": "Score a checkpoint against its source clip.",
    "decode": "Decode frames of a checkpoint to a video or to images.",
    "rate": "Compare bits, quality and speed with conventional codecs.",
    "compress": "Prune, quantise and entropy code a checkpoint to a small file.",
    "export": "Export a model to ONNX or TorchScript.",
    "report": "Write the report of a folder of results again.",
    "compare": "Say whether B is faster than A, from their results.",
    "predict": "Predict the time of a frame on GPUs that are not here.",
    "explain": "Split the gap between two GPUs into causes.",
    "check": "Fail where results are slower than a baseline.",
}


class LazyVerbs(click.Group):
    """A group whose verbs live in modules of their own (``nervbench.cli.<verb>``, function ``command``)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which a new user meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"nervbench.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with our sentence for a verb that is not known."""
        if args and args[0] not in VERBS:
            ctx.fail(unknown("command", args[0], VERBS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="nervbench")
def cli() -> None:
    """How fast does a NeRV decode here, how good are the frames, and how near is the limit?"""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; every error of ours becomes one message on stderr and its exit code."""
    try:
        code = cli.main(args=arguments, prog_name="nervbench", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except (NervbenchError, click.ClickException, OSError) as error:  # OSError: a path too long, a disk that is full
        # A message quotes names of files and what is in them; none of it may move the cursor of a terminal.
        lines = (printable(line, len(line)) for line in str(error).split("\n"))
        click.echo("nervbench: " + "\n".join(lines), err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
