"""The page of a suite, as its reader meets it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from nervbench import rates, store, trials
from nervbench.errors import ConfigError, ResultsError
from nervbench.report import pages, suite_page, suite_read
from nervbench.suites.chosen import FILE, Chosen, Joined, keep
from tests.report.suite_rows import point, result, trial
from tests.report.test_rate import X264, curve

HOSTILE = "<script>alert(1)</script> | [x](http://evil) `code`"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ablation: two seeds of three arms, of which one has fewer parameters and worse pictures."""
    keep(tmp_path, Chosen("ablation", "small"))
    for key, psnr_db, epoch_s in (("original", 32.0, 2.0), ("fewer-fc", 31.0, 1.9), ("fewer-blocks", 29.0, 1.0)):
        for seed in (1, 2):
            row = trial(f"{key}-{seed}", psnr_db + seed / 50, epoch_s + seed / 1000)
            trials.append(tmp_path / trials.FILE, replace(row, params=441_815 if key == "fewer-fc" else 969_431))
            weights = f"runs/x/{key}-{seed}/nerv-xs.safetensors"
            store.append(tmp_path / "results.jsonl", result(weights, 0.1 + seed / 1000))
    return tmp_path


def shown(folder: Path) -> str:
    """The page's text."""
    return pages.write(folder).read_text()


def test_published_and_measured_stand_side_by_side(folder: Path) -> None:
    """An arm has its measured numbers, those of each source, and the difference from each."""
    text = shown(folder)
    assert "| one fully connected layer fewer | **here**: nerv-xs-1fc, 2 runs | 441,815 | 31.03 dB |" in text
    assert "|  | study, 300 epochs | 1,543,025 | 31.90 dB | 0.9564 | 15.1 s | – |" in text
    assert "|  | difference | ×0.286 | -0.87 dB |" in text
    assert "| more blocks | here: not trained yet | – |" in text


def test_conclusions(folder: Path) -> None:
    """Each is said to hold or not, with its effects and their intervals, beside what was published."""
    text = shown(folder)
    assert (
        "- **holds here:** Fewer blocks: worse pictures (PSNR of two blocks fewer against original -3.00 dB, " in text
    )
    assert "- **does not hold here:** Fewer blocks: more parameters, yet faster to train (" in text  # as many here
    assert "- **not run at this scale:** More blocks: better pictures, slower to train." in text
    row = next(line for line in text.splitlines() if "PSNR, one fully connected layer fewer against original" in line)
    assert "-0.23 dB (study, 300 epochs); -0.43 dB (study, 1200 epochs) | -1.00 dB, " in row
    assert row.endswith("| holds |")


def test_what_is_unlike_is_said(folder: Path) -> None:
    """Model, clip, epochs, seeds and device are named, and what the small scale is."""
    text = shown(folder)
    assert "- nerv-xs, 320×180, on bigbuckbunny:32 (32 frames)" in text
    assert "- epochs: 3\n- seeds: 1\n" in text
    assert "This is the small scale" in text
    assert "Blender Foundation" in text


def test_uncertainty_is_said(folder: Path) -> None:
    """How much runs scatter, from how many, and how many comparisons were made."""
    text = shown(folder)
    assert "- PSNR: from one run of an arm to the next 0.014 dB (standard deviation, 3 degrees of freedom" in text
    assert "Intervals miss the true effect once in 20 times each; 5 were looked at." in text


def test_failures_are_listed(folder: Path) -> None:
    """A training that failed is a line with its reason, and its arm says so."""
    trials.append(folder / trials.FILE, trial("more-fc-1", reason=f"step 3: {HOSTILE}"))
    text = shown(folder)
    assert "\n## Failed\n\n- more-fc-1: WRONG_OUTPUT, step 3: " in text
    assert suite_read.read(folder).failed


def test_hostile_rows_stay_text(folder: Path) -> None:
    """Nothing of a row becomes markup."""
    trials.append(folder / trials.FILE, trial("more-fc-1", reason=HOSTILE))
    trials.append(folder / trials.FILE, replace(trial("more-fc-2", clip=HOSTILE), device=HOSTILE, model=HOSTILE))
    html = MarkdownIt().enable("table").render(shown(folder))
    assert "<script" not in html
    assert 'http://evil"' not in html
    assert "<code>code</code>" not in html


def test_absurd_rows(folder: Path) -> None:
    """Numbers and recipes that no training has make no number of theirs up, and the page is written."""
    absurd = replace(trial("more-fc-1", epoch_s=1e300), recipe={"epochs": "many", "seed": 1.5})
    trials.append(folder / trials.FILE, absurd)
    tiny = replace(trial("more-fc-2", epoch_s=1e-300), params=-5, frames=None, recipe={"epochs": 3, "seed": True})
    trials.append(folder / trials.FILE, tiny)
    assert "| one fully connected layer more | **here**: nerv-xs-3fc, 1 run | – |" in shown(folder)


def test_the_same_rows_give_the_same_bytes(folder: Path) -> None:
    """And the committed folder has the page, a line in its index, and a check that sees a changed byte."""
    reports = folder / "reports"
    (reports / "results").mkdir(parents=True)
    store.append(reports / "results" / "box.jsonl", result("bundled", 0.1))
    target = reports / "suites" / "ablation"
    target.mkdir(parents=True)
    for name in (FILE, trials.FILE, "results.jsonl"):
        (target / name).write_bytes((folder / name).read_bytes())
    pages.write(reports)
    assert pages.check(reports) == []
    assert (
        "[Blocks and fully connected layers of NeRV](suites/ablation/suite.md), scale small"
        in (reports / "index.md").read_text()
    )
    page = target / suite_page.PAGE
    page.write_text(page.read_text().replace("holds here", "held here", 1))
    assert pages.check(reports) == ["suites/ablation/suite.md"]


def test_publish(folder: Path, tmp_path: Path) -> None:
    """Its rows go to a folder of the suite's name and scale, and the committed pages match their data."""
    reports = tmp_path / "reports"
    (reports / "results").mkdir(parents=True)
    store.append(reports / "results" / "box.jsonl", result("bundled", 0.1))
    assert pages.publish(folder, reports) == reports / "suites" / "ablation-small" / suite_page.PAGE
    assert pages.check(reports) == []
    rows = store.read(reports / "suites" / "ablation-small" / "results.jsonl")
    assert rows[0].case.weights == "original-1/nerv-xs.safetensors"
    assert sorted(file.name for file in (reports / "suites" / "ablation-small").iterdir()) == [
        "results.jsonl", "suite.json", "suite.md", "trials.jsonl",
    ]  # fmt: skip


def test_a_suites_folder_is_reported_by_the_verb(folder: Path) -> None:
    """``nervbench report DIR`` writes its page."""
    assert pages.write(folder) == folder / suite_page.PAGE
    assert pages.check(folder) == []


def test_a_known_checkpoint_has_its_name(tmp_path: Path) -> None:
    """One that was published has its published numbers beside it; another has the name of its file."""
    known = "88832be650c4e74e27266b7b05ce9beda83245c25214335029082be3620f80f1"
    joined = (Joined("joined-quant", "hnerv-1.5m", known), Joined("joined-mine", "hnerv-1.5m", "0" * 64))
    keep(tmp_path, Chosen("table2", "small", joined=joined))
    for key in ("joined-quant", "joined-mine"):
        store.append(tmp_path / "results.jsonl", result(f"runs/x/{key}/w.pth", 0.5))
    text = shown(tmp_path)
    assert "| HNeRV 1.5M, as published | **here**: hnerv-1.5m, 1 run |" in text
    assert "|  | hnerv | – | 33.54 dB |" in text
    assert "| mine | **here**: hnerv-1.5m, 1 run |" in text


def test_rates(tmp_path: Path) -> None:
    """A suite with codecs has the page of rates beside it."""
    keep(tmp_path, Chosen("rate-distortion", "small"))
    found = [point("nerv-xs", 2, 0.9, 33.0), point("nerv-8-bits", 2, 0.5, 32.95), *curve(X264)]
    for each in found:
        rates.append(tmp_path / rates.FILE, each)
    text = shown(tmp_path)
    assert "**so here, in one run:** 8 bits cost almost nothing" in text
    assert "[the page of rates](rate.md)" in text
    assert (tmp_path / "rate.md").exists()


def test_nothing_yet(tmp_path: Path) -> None:
    """Before the first row the page says what was not run."""
    keep(tmp_path, Chosen("hyperparameters", "small"))
    text = shown(tmp_path)
    assert text.count("**not run at this scale:**") == 5


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": 9, "suite": "ablation", "scale": "small"}', "\x00"])
def test_a_damaged_choice(tmp_path: Path, content: str) -> None:
    """A suite.json that cannot be read is an error with its path."""
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ResultsError, match=r"cannot read .*suite\.json"):
        suite_read.read(tmp_path)


def test_a_suite_of_another_version(tmp_path: Path) -> None:
    """A suite that is not known here is named."""
    (tmp_path / FILE).write_text(json.dumps({"schema": 1, "suite": "later", "scale": "small"}))
    with pytest.raises(ConfigError, match="unknown suite 'later'"):
        suite_read.read(tmp_path)


def test_another_choice_is_refused(folder: Path) -> None:
    """A folder is of one suite, at one scale, with one clip."""
    keep(folder, Chosen("ablation", "small"))
    with pytest.raises(ConfigError, match=r"has suite:ablation at scale small, and suite:table2 at scale full on film"):
        keep(folder, Chosen("table2", "full", "film"))
