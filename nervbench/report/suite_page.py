"""The page of a suite: what was published, what was measured here, and whether the conclusions hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from nervbench import rates, store, suites, trials
from nervbench.files import write_atomically
from nervbench.rates import RatePoint
from nervbench.records import FAILED, Result, Status
from nervbench.report import rate
from nervbench.report.compose import credits_of
from nervbench.report.effects import (
    DIFFERENCES,
    EXACT,
    LEVEL,
    Effect,
    Judged,
    Measured,
    Verdict,
    judged,
    measured,
    pooled,
    together,
)
from nervbench.report.markdown import bullets, escape, link, sections, table
from nervbench.report.rows import latest, one_line
from nervbench.suites import Arm, Known, Quantity, Suite
from nervbench.suites.chosen import Chosen
from nervbench.suites.chosen import read as read_chosen
from nervbench.trials import Trial
from nervbench.units import UNKNOWN, percent, prefixed, significant

PAGE = "suite.md"
RATE_PAGE = "rate.md"
RESULTS = "results.jsonl"
COMMAND = "nervbench report DIR"
HEADS: dict[Quantity, str] = {
    "params": "parameters",
    "psnr_db": "PSNR",
    "ms_ssim": "MS-SSIM",
    "epoch_s": "an epoch",
    "train_s": "training",
    "decode_fps": "decoding FPS",
    "bits_per_pixel": "bits per pixel",
}
WORDS = {
    Verdict.HOLDS: "holds here",
    Verdict.FAILS: "does not hold here",
    Verdict.UNDECIDED: "undecided here",
    Verdict.SEEN: "so here, in one run",
    Verdict.SEEN_NOT: "not so here, in one run",
    Verdict.NOT_RUN: "not run at this scale",
}


@dataclass(frozen=True, slots=True)
class Read:
    """A suite's folder, read."""

    folder: Path
    suite: Suite
    chosen: Chosen
    trials: Sequence[Trial]
    results: Sequence[Result]
    points: Sequence[RatePoint]
    found: dict[str, Measured]

    @property
    def failed(self) -> list[str]:
        """What failed, in a line each of plain text."""
        rows: list[tuple[str, Status, str | None]] = [
            *((t.name, t.status, t.reason) for t in self.trials if t.status is not Status.OK),
            *((r.case.name, r.status, r.reason) for r in self.results if r.status in FAILED),
        ]
        return [
            f"{name}: {status.value}, {one_line(reason or 'no reason was recorded')}" for name, status, reason in rows
        ]

    def name(self, key: str) -> str:
        """The name of an arm, or of a checkpoint that joined."""
        arm = next((arm for arm in self.suite.arms if arm.key == key), None)
        return arm.name if arm else self.known(key).name

    def model(self, key: str) -> str | None:
        """The model of an arm at this scale; None of one that is made of another."""
        joined = {each.key: each.model for each in self.chosen.joined}
        return joined.get(key) or next(a.models.get(self.chosen.scale) for a in self.suite.arms if a.key == key)

    def known(self, key: str) -> Known:
        """A checkpoint that joined; one that was not published has its file's name."""
        joined = next(each for each in self.chosen.joined if each.key == key)
        unknown = Known(joined.sha256, key.removeprefix("joined-"))
        return next((each for each in self.suite.known if each.sha256 == joined.sha256), unknown)

    @property
    def rows(self) -> list[tuple[str, Arm | Known]]:
        """Every arm and every checkpoint that joined, by its key."""
        return [
            *((arm.key, arm) for arm in self.suite.arms),
            *((each.key, self.known(each.key)) for each in self.chosen.joined),
        ]


def read(folder: Path) -> Read:
    """A suite's folder. Raises ResultsError where a file of it cannot be read, ConfigError for an unknown suite."""
    chosen = read_chosen(folder)
    suite = suites.load(chosen.suite)
    results = latest(store.read(folder / RESULTS)) if (folder / RESULTS).exists() else []
    rows = trials.read(folder / trials.FILE), results, rates.read(folder / rates.FILE)
    return Read(folder, suite, chosen, *rows, measured(suite, chosen, *rows))


def write(folder: Path) -> Path:
    """Write the pages of a suite's folder and return the first."""
    for name, content in generate(folder).items():
        write_atomically(folder / name, content)
    return folder / PAGE


def generate(folder: Path, command: str = COMMAND) -> dict[str, bytes]:
    """The pages and figures of a suite's folder by their names; writes nothing."""
    found = read(folder)
    beside = rate.generate(found.points, command) if found.points else {}
    return {PAGE: page(found, command).encode(), **beside}


def answers(found: Read) -> list[str]:
    """What becomes of each conclusion, in a sentence of plain text."""
    said = []
    for conclusion in found.suite.conclusions:
        claims = judged(found.suite, conclusion, found.found)
        effects = "; ".join(_told(found, each) for each in claims if each.measured)
        said.append(f"{WORDS[together(claims)]}: {conclusion.says}{f' ({effects})' if effects else ''}.")
    return said


def page(found: Read, command: str) -> str:
    """The page as Markdown, ending in a newline."""
    suite = found.suite
    remarks = [*(f"{arm.name}: {arm.remark}" for arm in suite.arms if arm.remark)]
    remarks += [f"{each.says}: {each.remark}" for each in suite.conclusions if each.remark]
    parts = [
        ("Answer", bullets(_bold(sentence) for sentence in answers(found))),
        ("What was run", bullets(map(escape, _scale(found)))),
        ("Conclusions, published and measured", _claims(found)),
        ("Numbers, published and measured", _numbers(found)),
        ("Beside conventional codecs", f"See {link('the page of rates', RATE_PAGE)}." if found.points else ""),
        ("Remarks", bullets(map(escape, remarks))),
        ("Failed", bullets(map(escape, found.failed))),
        ("Uncertainty", bullets(_uncertainty(found))),
        ("Published numbers", bullets(f"{escape(name)}: {escape(each.says)}." for name, each in suite.sources.items())),
        ("Credits", credits_of(_clips(found))),
        ("Regenerate", f"`{command}` writes this page again from its rows; the same rows give the same bytes."),
    ]
    start = f"# {escape(suite.title)}\n\nGenerated by `{command}` from the rows of `{_asked(found.chosen)}`."
    return f"{start}\n\n**Question.** {escape(suite.question)}\n\n{sections(parts)}\n"


def _asked(chosen: Chosen) -> str:
    """The command that made the rows, as far as it is known."""
    clip = " --clip …" if chosen.clip else ""
    return f"nervbench run suite:{chosen.suite} --scale {chosen.scale}{clip}{' --checkpoint …' * len(chosen.joined)}"


def _bold(sentence: str) -> str:
    """A sentence with what stands before its colon in bold."""
    verdict, _, rest = sentence.partition(": ")
    return f"**{escape(verdict)}:** {escape(rest)}"


def _told(found: Read, each: Judged) -> str:
    """An effect with its arms."""
    assert each.measured
    claim = each.claim
    return (
        f"{HEADS[claim.quantity]} of {found.name(claim.of)} against {found.name(claim.against)} "
        f"{_effect(claim.quantity, each.measured)}"
    )


def _clips(found: Read) -> list[str]:
    clips = [trial.clip for trial in found.trials]
    clips += [result.quality.clip for result in found.results if result.quality]
    return sorted({*clips, *(point.source.clip for point in found.points)})


def _scale(found: Read) -> list[str]:
    """What ran here, in sentences: models, clips, epochs, seeds, devices."""
    lines = []
    shapes = sorted({(t.model, f"{t.width}×{t.height}", t.clip, t.frames) for t in found.trials if t.quality})
    lines += [f"{model}, {size}, on {clip} ({frames} frames)" for model, size, clip, frames in shapes]
    epochs = sorted({int(t.recipe.get("epochs", 0)) for t in found.trials})
    seeds = sorted({int(t.recipe.get("seed", 0)) for t in found.trials})
    if epochs:
        lines.append(f"epochs: {', '.join(map(str, epochs))}; seeds: {', '.join(map(str, seeds))}")
    devices = {t.device for t in found.trials if t.device} | {r.device.name for r in found.results if r.device}
    lines += [f"device: {name}" for name in sorted(devices | {point.device for point in found.points})]
    versions = {f"{n} {v}" for t in found.trials for n, v in t.versions.items()}
    lines += [f"versions: {', '.join(sorted(versions))}"] if versions else []
    if found.chosen.scale == "small":
        lines.append(
            "This is the small scale: other sizes, fewer frames and far fewer epochs than the published runs. Numbers "
            "stand beside each other to show both, not to be equal; what can be compared are the effects."
        )
    return lines


def _claims(found: Read) -> str:
    head = ("conclusion", "compared", "published", "here", "verdict")
    rows = []
    for conclusion in found.suite.conclusions:
        for place, each in enumerate(judged(found.suite, conclusion, found.found)):
            claim = each.claim
            was = "; ".join(
                f"{_change(claim.quantity, value)} ({escape(name)})" for name, value in each.published.items()
            )
            bound = f" within {_bound(claim.quantity, claim.within)}" if claim.change == "same" else ""
            compared = f"{HEADS[claim.quantity]}, {found.name(claim.of)} against {found.name(claim.against)}"
            rows.append(
                [
                    escape(conclusion.says) if place == 0 else "",
                    f"{escape(compared)}: {claim.change}{bound}",
                    was or "in words only",
                    _effect(claim.quantity, each.measured) if each.measured else UNKNOWN,
                    each.verdict.value,
                ]
            )
    return table(head, rows)


def _numbers(found: Read) -> str:
    """One row an arm and source: published and measured, with the difference."""
    head = ["arm", "numbers", *(HEADS[quantity] for quantity in found.suite.quantities)]
    rows = []
    for key, arm in found.rows:
        own = found.found[key]
        here = {name: fmean(values) for name, values in own.values.items()}
        rows.append(
            [escape(found.name(key)), _runs(own, found.model(key)), *(_cell(q, own) for q in found.suite.quantities)]
        )
        for source, numbers in suites.published(found.suite, arm).items():
            was = [_number(q, numbers[q]) if q in numbers else UNKNOWN for q in found.suite.quantities]
            rows.append(["", escape(source), *was])
            if here:
                apart = [_apart(q, here.get(q), numbers.get(q)) for q in found.suite.quantities]
                rows.append(["", "difference", *apart])
    return table(head, rows, right=range(2, len(head)))


def _runs(own: Measured, model: str | None) -> str:
    """What stands in the row: the model and how many runs, or why there is none."""
    runs = max(map(len, own.values.values()), default=0)
    if not runs:
        return f"here: {escape(one_line(own.reason or ''))}"
    return f"**here**: {f'{escape(model)}, ' if model else ''}{runs} run{'s' if runs != 1 else ''}"


def _cell(quantity: Quantity, own: Measured) -> str:
    values = own.values.get(quantity)
    return _number(quantity, fmean(values)) if values else UNKNOWN


def _apart(quantity: Quantity, here: float | None, was: float | None) -> str:
    if here is None or was is None:
        return UNKNOWN
    return _change(quantity, here - was if quantity in DIFFERENCES else here / was)


def _number(quantity: Quantity, value: float) -> str:
    match quantity:
        case "params":
            return f"{value:,.0f}"
        case "psnr_db":
            return f"{value:.2f} dB"
        case "ms_ssim":
            return f"{value:.4f}"
        case "epoch_s" | "train_s":
            return f"{value / 60:,.0f} min" if value >= 600 else prefixed(value, "s")
        case _:
            return significant(value)


def _effect(quantity: Quantity, effect: Effect) -> str:
    """An effect with its interval; none is needed where another run changes nothing."""
    said = _change(quantity, effect.value)
    if effect.low is None or effect.high is None:
        return f"{said}, one run a side"
    if quantity in EXACT:
        return said
    return f"{said}, {_change(quantity, effect.low)} to {_change(quantity, effect.high)}"


def _change(quantity: Quantity, value: float) -> str:
    """A difference with its sign, a ratio as a percentage or, from two on, as a factor.

    >>> _change("psnr_db", -0.4), _change("epoch_s", 0.75), _change("decode_fps", 39.0)
    ('-0.40 dB', '-25.0 %', '×39.0')
    """
    if quantity == "psnr_db":
        return f"{value:+.2f} dB"
    if quantity == "ms_ssim":
        return f"{value:+.4f}"
    return f"{100 * (value - 1):+.1f} %" if 0.5 < value < 2 else f"×{significant(value)}"


def _bound(quantity: Quantity, within: float) -> str:
    if quantity == "psnr_db":
        return f"{within:g} dB"
    return f"{within:g}" if quantity in DIFFERENCES else percent(within)


def _uncertainty(found: Read) -> list[str]:
    """How much runs scatter, and what that says of the verdicts."""
    claims = [each for c in found.suite.conclusions for each in judged(found.suite, c, found.found) if each.measured]
    used: dict[Quantity, None] = dict.fromkeys(each.claim.quantity for each in claims)
    lines = []
    for quantity in used:
        scatter, freedom = pooled(quantity, found.found)
        if quantity in EXACT or not freedom:
            continue
        size = (
            f"{scatter:.2g}{' dB' if quantity == 'psnr_db' else ''}" if quantity in DIFFERENCES else percent(scatter, 1)
        )
        lines.append(
            f"{HEADS[quantity]}: from one run of an arm to the next {size} (standard deviation, {freedom} degrees of "
            "freedom, pooled over the arms with several runs)."
        )
    lines.append(
        f"Intervals miss the true effect once in {round(1 / LEVEL)} times each; {len(claims)} were looked at. A "
        "conclusion holds where the intervals of all its comparisons lie on its side, and does not where one lies on "
        "the other. Published effects are of one run each, so nobody knows how much another would have differed."
    )
    return lines
