"""Pages of a folder: generate, write, check and publish.

Three layouts. A run's folder has ``results.jsonl`` and ``frames/`` and gets ``report.md`` and ``figures/``. That of a
suite has ``suite.json`` and gets ``suite.md``. The committed folder has ``results/<device>.jsonl``,
``frames/<device>/``, ``suites/<name>/`` and ``gaps/<pair>.json`` and gets a page and ``figures/<device>/`` a device, a
page a suite, a page and a figure a pair, and ``index.md``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from nervbench import store
from nervbench.errors import OutputError, ResultsError
from nervbench.files import slug, within, write_atomically
from nervbench.records import Result
from nervbench.report import gap_page, html, latency_figures, layers, pictures, proof, suite_page, suite_read, trade_off
from nervbench.report.compose import Surroundings, cards, page, title
from nervbench.report.figures import fps_against_ceiling
from nervbench.report.layer_figures import roofline, times
from nervbench.report.markdown import bullets, escape, link, table
from nervbench.report.rows import Group, groups_of, latest
from nervbench.report.tables import speed
from nervbench.suites.chosen import FILE as SUITE

RESULTS = "results.jsonl"
FIRST = ("report.md", suite_page.PAGE, "index.md")
"""Pages to open, whichever a folder has."""
RUN_COMMAND = "nervbench report DIR"
COMMITTED_COMMAND = "nervbench report reports"
_NOISE_WORDS = re.compile(r"\((?:r|tm|c)\)|®|™|\b(?:intel|amd|processor|cpu|core)\b|@", re.IGNORECASE)
FIGURES: dict[str, tuple[str, Callable[[Group], bytes | None]]] = {
    "decoding FPS of every case and the ceiling of its precision": ("", fps_against_ceiling),
    "how long single decodes take": ("-latency", latency_figures.distributions),
    "the timed run as time passed": ("-time", latency_figures.over_time),
}
"""Of a model, by what they show: the end of the file's name, and who draws it."""


def write(folder: Path) -> Path:
    """Write the pages and figures of a folder and return the page to open (``report.md``, ``suite.md``, ``index.md``).

    Beside it lies the same as one HTML page. Figures that the data no longer generates are removed. Raises ResultsError
    where the folder has no results or unreadable ones, OutputError where a page cannot be written.
    """
    generated = generate(folder)
    for name, content in generated.items():
        write_atomically(within(folder, name), content)
    for name in _stale(folder, generated):
        within(folder, name).unlink(missing_ok=True)
    first = next(name for name in FIRST if name in generated)
    write_atomically(within(folder, PurePosixPath(first).with_suffix(".html")), one_page(folder, generated))
    return folder / first


def one_page(folder: Path, generated: dict[str, bytes]) -> bytes:
    """All pages of a folder, as ``generate`` made them, in one HTML page."""
    texts = {name: content.decode() for name, content in generated.items() if name.endswith(".md")}
    order = sorted(texts, key=lambda name: name not in FIRST)  # what comes first, then as they were made

    def picture(name: str) -> bytes | None:
        path = folder / name
        return generated.get(name) or (path.read_bytes() if path.is_file() and not path.is_symlink() else None)

    return html.page({name: texts[name] for name in order}, picture)


def check(folder: Path) -> list[str]:
    """The names of pages and figures that differ from what their data generates, are missing, or come from no data."""
    return differing(folder, generate(folder))


def differing(folder: Path, generated: dict[str, bytes]) -> list[str]:
    """As ``check``, for what was generated already."""
    changed = [name for name, content in generated.items() if not _same(folder / name, content)]
    return sorted([*changed, *_stale(folder, generated)])


def generate(folder: Path) -> dict[str, bytes]:
    """Every page and figure of a folder by its path within it; writes nothing.

    Raises ResultsError where the folder has no results or unreadable ones.
    """
    if (folder / SUITE).is_file():
        return suite_page.generate(folder)
    if (folder / RESULTS).is_file():
        return _device_files(folder, store.read(folder / RESULTS), "report", "", RUN_COMMAND)
    paths = sorted((folder / "results").glob("*.jsonl"))
    gaps = sorted((folder / gap_page.FOLDER).glob("*.json"))
    if not paths and not gaps:
        raise ResultsError(_nothing(folder))
    generated: dict[str, bytes] = {}
    found = {path.stem: store.read(path) for path in paths}
    for stem, results in found.items():
        generated |= _device_files(folder, results, stem, f"/{stem}", COMMITTED_COMMAND)
    for path in sorted((folder / "suites").glob(f"*/{SUITE}")):
        below = path.parent.relative_to(folder).as_posix()
        for name, content in suite_page.generate(path.parent, COMMITTED_COMMAND).items():
            generated[f"{below}/{name}"] = content
    measured = {title(cards(results)): groups_of(latest(results)) for results in found.values()} if gaps else {}
    for path in gaps:
        generated |= gap_page.generate(path, COMMITTED_COMMAND, measured)
    generated |= proof.generate(folder, COMMITTED_COMMAND)
    generated["index.md"] = _index(found, folder).encode()
    return generated


def publish(run_folder: Path, reports_folder: Path, name: str | None = None) -> Path:
    """Copy a run's results and pictures into the committed folder, write its pages again, and return the device's page.

    ``name`` is of the device's files; without it, it follows from the device card (``xeon-2.5ghz-2-threads``), that of
    a suite from the suite and its scale (``ablation-small``). Earlier results of that name are replaced. Raises
    ResultsError where the run has no readable results, OutputError where a file cannot be written.
    """
    if (run_folder / SUITE).is_file():
        return _publish_suite(run_folder, reports_folder / "suites", name)
    source = run_folder / RESULTS
    if not source.is_file():
        raise ResultsError(_nothing(run_folder))
    results = store.read(source)  # before anything is replaced: a file that is none replaces nothing
    stem = slug(name) if name else device_slug(results)
    _device_files(run_folder, results, stem, "", COMMITTED_COMMAND)
    write_atomically(within(reports_folder, f"results/{stem}.jsonl"), source.read_bytes())
    frames = within(reports_folder, f"frames/{stem}")
    try:
        shutil.rmtree(frames, ignore_errors=True)
        for path in sorted((run_folder / "frames").glob("*.png")):
            if path.is_file() and not path.is_symlink():  # a link is made by no run, and may lead to anything
                frames.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, frames / path.name)
    except OSError as error:
        msg = f"cannot write {frames}: {error.strerror or error}"
        raise OutputError(msg) from error
    write(reports_folder)
    return reports_folder / f"{stem}.md"


def _publish_suite(run_folder: Path, suites_folder: Path, name: str | None) -> Path:
    """Copy the rows of a suite, and write the pages of the committed folder again."""
    found = suite_read.read(run_folder)
    below = within(suites_folder, slug(name or f"{found.chosen.suite}-{found.chosen.scale}"))
    for file in suite_read.FILES:
        if not (run_folder / file).is_file():
            (below / file).unlink(missing_ok=True)
        elif file == RESULTS:
            rows = map(_without_place, store.read(run_folder / file))
            write_atomically(below / file, "".join(f"{store.to_line(row)}\n" for row in rows))
        else:
            write_atomically(below / file, (run_folder / file).read_bytes())
    write(suites_folder.parent)
    return below / suite_page.PAGE


def _without_place(result: Result) -> Result:
    """A decoding of a suite with the folder and the file of its weights, and not where on a machine they lay."""
    weights = "/".join(PurePosixPath(result.case.weights).parts[-2:])
    return replace(result, case=replace(result.case, weights=weights))


def device_slug(results: list[Result]) -> str:
    """The file name of a device: its name without the maker's ornament, and its threads."""
    found = cards(results)
    if not found:
        return "device"
    clock = re.sub(r"(?<=\.\d)0(?=GHz)", "", _NOISE_WORDS.sub(" ", found[0].name))
    threads = f" {found[0].threads} threads" if found[0].threads else ""
    return slug(clock + threads)


def _device_files(folder: Path, results: list[Result], stem: str, below: str, command: str) -> dict[str, bytes]:
    """The page and the figures of one results file; ``below`` is its folder within ``figures`` and ``frames``."""
    names: dict[int, dict[str, str]] = {}
    files: dict[str, bytes] = {}
    groups = groups_of(latest(results))
    for place, group in enumerate(groups):
        for shows, (suffix, draw) in FIGURES.items():
            if (drawn := draw(group)) is not None:
                path = f"figures{below}/{_figure_name(group, place)}{suffix}.svg"
                names.setdefault(place, {})[shows] = path
                files[path] = drawn
    speed_and_quality = f"figures{below}/quality.svg"
    if (drawn := trade_off.scatter(groups)) is not None:
        files[speed_and_quality] = drawn
    profiles: dict[str, tuple[str, ...]] = {}
    for row, found in layers.profiled(groups):
        path = f"figures{below}/{slug(row.label)}"
        drawn_of = {f"{path}-time.svg": times(row.result, found), f"{path}-roofline.svg": roofline(row.result, found)}
        profiles[row.label] = tuple(name for name, figure in drawn_of.items() if figure)
        files |= {name: figure for name, figure in drawn_of.items() if figure}
    shown = pictures.found(folder, f"frames{below}")
    around = Surroundings(
        command,
        names,
        shown,
        {model: _psnrs_db(folder, frames) for model, frames in shown.items()},
        speed_and_quality if speed_and_quality in files else None,
        profiles,
    )
    return {f"{stem}.md": page(results, groups, around).encode(), **files}


def _figure_name(group: Group, place: int) -> str:
    """A file name that no other group of the page has."""
    return f"{place + 1}-{slug(group.model)}"


def _psnrs_db(folder: Path, frames: pictures.Frames) -> dict[int, float | None]:
    """What the pictures of each frame say."""
    whole = {index: kinds for index, kinds in frames.items() if {pictures.SOURCE, pictures.DECODED} <= set(kinds)}
    return {
        index: pictures.psnr_db(folder / kinds[pictures.SOURCE], folder / kinds[pictures.DECODED])
        for index, kinds in whole.items()
    }


def _index(found: dict[str, list[Result]], folder: Path) -> str:
    """The page that lists the devices with the fastest case of each model, the suites, and the pairs of GPUs."""
    lines = []
    for stem, results in found.items():
        current = latest(results)
        timed = [group.timed[0] for group in groups_of(current) if group.timed]
        fastest = "; ".join(f"{escape(row.result.case.name)} {speed(row.fps)} FPS" for row in timed) or "–"
        lines.append([link(title(cards(current)), f"{stem}.md"), str(len(current)), fastest])
    head = f"# Devices\n\nGenerated by `{COMMITTED_COMMAND}`.\n\nOne page for each device that was measured."
    rows = table(("device", "cases", "fastest case of each model"), lines)
    done = [suite_read.read(path.parent) for path in sorted((folder / "suites").glob(f"*/{SUITE}"))]
    listed = bullets(
        f"{link(each.suite.title, f'suites/{each.folder.name}/{suite_page.PAGE}')}, scale {each.chosen.scale}"
        for each in done
    )
    suites = f"\n\n## Suites\n\nThe experiments of the source study.\n\n{listed}" if done else ""
    pairs = [(path, gap_page.read(path)) for path in sorted((folder / gap_page.FOLDER).glob("*.json"))]
    two = bullets(link(gap_page.title(gap), f"{path.stem}.md") for path, gap in pairs)
    gaps = f"\n\n## Two GPUs\n\nWhy one decodes more slowly than the other.\n\n{two}" if pairs else ""
    if (folder / proof.FILE).is_file():
        gaps += f"\n\nWhether the causes that are named are the true ones: {link('planted causes', proof.PAGE)}."
    check = f"`{COMMITTED_COMMAND} --check` tells whether every page matches its data."
    return f"{head}\n\n{rows}{suites}{gaps}\n\n{check}\n"


def _stale(folder: Path, generated: dict[str, bytes]) -> list[str]:
    """Figures on disk that the data does not generate."""
    found = (path.relative_to(folder).as_posix() for path in (folder / "figures").rglob("*.svg"))
    return sorted(name for name in found if name not in generated)


def _same(path: Path, content: bytes) -> bool:
    """Whether a file has this content."""
    return path.is_file() and path.read_bytes() == content


def _nothing(folder: Path) -> str:
    """What was found instead of results, and what to do."""
    if not folder.is_dir():
        found = "there is no such folder" if not folder.exists() else "it is not a folder"
    else:
        names = sorted(path.name for path in folder.iterdir())
        found = f"found {', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else "the folder is empty"
    return (
        f"no results in {folder}: {found}; expected results.jsonl (the folder of a run) or results/*.jsonl; "
        "make one with: nervbench run"
    )
