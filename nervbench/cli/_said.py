"""What a verb says at its end: words for a person, or one JSON object for a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nervbench.trials import Trial

as_json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on stdout instead of words."
)
"""The option of every verb that has no other JSON."""


def say(as_json: bool, found: Mapping[str, object], words: str) -> None:
    """Print the words or, of ``found``, the object; paths become texts."""
    click.echo(json.dumps(found, indent=2, default=str) if as_json else words)


def of_trials(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Trainings as objects, as their file has them."""
    from nervbench.trials import to_line

    return [json.loads(to_line(trial)) for trial in trials]
