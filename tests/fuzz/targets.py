"""A fuzz target for every parser of ours: bytes in; a value, or an error of ours on printable lines; nothing else."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import io
import os
import zlib
from pathlib import Path

from markdown_it import MarkdownIt

from nervbench import config, rates, store, suites, trials
from nervbench.cli.decode import parse_frames
from nervbench.data import clip as clips
from nervbench.data.containers import announced_bytes
from nervbench.explain import kernel_csv
from nervbench.model import checkpoint
from nervbench.model.family import from_json
from nervbench.model.source import weights_of
from nervbench.model.zoo import MODELS
from nervbench.records import case_of
from nervbench.report import gap_page, pages
from nervbench.report.compose import Surroundings, page
from nervbench.report.effects import measured
from nervbench.report.markdown import escape, plain
from nervbench.report.rate import page as rate_page
from nervbench.report.rate_curves import scenes_of
from nervbench.report.rows import groups_of, latest
from nervbench.report.suite_page import page as suite_page
from nervbench.report.suite_read import Read
from nervbench.report.terminal import table
from nervbench.report.trials import page as trials_page
from nervbench.report.trials import savings
from nervbench.suites.chosen import Chosen
from nervbench.tune.space import draw, numbers
from tests.fuzz import others, seeds
from tests.fuzz.common import Target, keep, promise, refusing

RUNTIMES = ("eager", "torchscript", "compiled", "ort", "ov", "winograd")
DRAWN = 200
"""One in so many files of results gets its figures, which take long."""


def spec(data: bytes) -> None:
    """A model spec; what is accepted comes back from its own JSON."""
    with contextlib.suppress(ValueError):  # the one documented kind
        found = from_json(data.decode(errors="replace"))
        promise(from_json(found.to_json()) == found, "a spec does not come back from its JSON")


def safetensors(data: bytes) -> None:
    """A safetensors file."""
    with refusing():
        checkpoint.load(keep("made.safetensors", data))


def metadata(data: bytes) -> None:
    """The metadata of a safetensors file that is whole."""
    safetensors(seeds.with_metadata(data))


def authors(data: bytes) -> None:
    """An authors' file."""
    with refusing():
        checkpoint.load(keep("made.pth", data))


def pickled(data: bytes) -> None:
    """The pickle of an authors' file that is whole otherwise."""
    authors(seeds.with_pickle(data))


def coded(data: bytes) -> None:
    """A .nerv file."""
    with refusing():
        checkpoint.load(keep("made.nerv", data))


def summed(data: bytes) -> None:
    """A .nerv file whose checksums fit: what they would refuse reaches what reads header and symbols."""
    coded(seeds.with_checksums(data))


def bench(data: bytes) -> None:
    """A bench.toml; what is accepted gives cases."""
    with refusing():
        found = config.load(keep("bench.toml", data), MODELS, RUNTIMES)
        promise(0 < len(config.cases(found)) <= config.MAX_CASES, "no cases, or too many")


def glob(data: bytes) -> None:
    """A selection of cases."""
    cases = [case_of(name, "fp32", runtime, 1, "single_stream", "seeded:0") for name in MODELS for runtime in RUNTIMES]
    with refusing():
        promise(bool(config.select(cases, plain(data.decode(errors="replace"))[:200])), "an empty selection")


def frames(data: bytes) -> None:
    """The frames that decode is asked for."""
    with refusing():
        found = parse_frames(plain(data.decode(errors="replace"))[:200], 132)
        promise(all(0 <= index < 132 for index in found), "a frame that is not there")


def weights(data: bytes) -> None:
    """The weights of a model."""
    with refusing():
        weights_of("nerv-xs", plain(data.decode(errors="replace")))


def line(data: bytes) -> None:
    """A line of results; what is accepted comes back from its own line."""
    with refusing():
        found = store.from_line(data.decode(errors="replace"))
        promise(store.from_line(store.to_line(found)) == found, "a result does not come back from its line")


def trial(data: bytes) -> None:
    """A line of trainings, the page of a search of them, and that of a suite."""
    with refusing():
        found = trials.from_line(data.decode(errors="replace"))
        promise(trials.from_line(trials.to_line(found)) == found, "a training does not come back from its line")
        trials_page([found], savings([found], 2, 3), "nervbench tune").encode()
        rows = [dataclasses.replace(found, name=f"{arm.key}-1") for arm in ABLATION.arms[:2]]
        read = Read(Path(), ABLATION, CHOSEN, rows, [], [], measured(ABLATION, CHOSEN, rows, [], []))
        suite_page(read, "nervbench report").encode()


def point(data: bytes) -> None:
    """A line of rate and distortion, and the page of a file of them."""
    with refusing():
        found = rates.from_line(data.decode(errors="replace"))
        promise(rates.from_line(rates.to_line(found)) == found, "a point does not come back from its line")
        rate_page(scenes_of([found]), "nervbench rate --page -o FOLDER", {}).encode()


def axis(data: bytes) -> None:
    """The values that a search may choose from."""
    with refusing():
        found = numbers("--x", plain(data.decode(errors="replace"))[:200], float, 0)
        chosen = draw({"x": found}, 3, 1)
        promise(all(float(choice["x"]) > 0 for choice in chosen), "a number that is not positive")


def gap(data: bytes) -> None:
    """The gap between two GPUs, and its page."""
    with refusing():
        found = gap_page.from_line(data.decode(errors="replace"))
        promise(gap_page.from_line(gap_page.to_line(found)) == found, "a gap does not come back from its line")
        gap_page.page(found, "figure.svg", "nervbench report").encode()


def kernels(data: bytes) -> None:
    """Rows of convolutions; what is accepted is written with three more columns and as many rows."""
    with refusing():
        found = kernel_csv.parse(data.decode(errors="replace"), "v100")
        written = kernel_csv.to_text(found, [(1.0, 1.0, 1.0)] * len(found.kernels))
        promise(all(time > 0 for time in found.times_s or (0,)), "a time that is not positive")
        again = list(csv.reader(io.StringIO(written, newline="")))
        promise(len(again) == len(found.kernels) + 1, "a row is lost")


def report(data: bytes) -> None:
    """A file of results, and the page and table that are made of it, and of a few the figures."""
    with refusing():
        found = store.read(keep("results.jsonl", data))
        if zlib.crc32(data) % DRAWN:
            page(found, groups_of(latest(found)), Surroundings("nervbench report DIR", {}, {})).encode()
        else:
            pages._device_files(Path(), found, "report", "", "nervbench report DIR")
        table(found)


def markdown(data: bytes) -> None:
    """A text from a file: escaped, it is one paragraph of that text."""
    text = data.decode(errors="replace")[:300]
    tokens = _parser().parse(escape(text))
    children = [child for token in tokens for child in token.children or []]
    promise({child.type for child in children} <= {"text", "text_special"}, "markup in an escaped text")
    promise("".join(child.content for child in children) == plain(text), "an escaped text reads otherwise")


def sorting(data: bytes) -> None:
    """Names of images; their order does not depend on the one they are found in."""
    names = [os.fsdecode(part)[:255] for part in data.replace(b"\0", b"").split(b"/") if part]
    order = sorted(names, key=clips._natural)
    names.reverse()
    promise(sorted(names, key=clips._natural) == order, "two orders of the same names")


def container(data: bytes) -> None:
    """What a video file says of its size."""
    found = announced_bytes(keep("made.mp4", data))
    promise(found is None or found >= 0, "a negative size")


def image(data: bytes) -> None:
    """A folder with one image."""
    with refusing():
        clips.load(clips.open_clip(keep("folder/made.png", data).parent, 1 << 16))


def video(data: bytes) -> None:
    """A video file."""
    with refusing():
        for _ in clips.read(clips.open_clip(keep("made.mp4", data), 1 << 16, 100)):
            pass


ABLATION, CHOSEN = suites.load("ablation"), Chosen("ablation", "small")
WORDS = tuple(b'{} "" [[ ]] = . , : nerv-xs bundled seeded:0 eager fp32 offline true nan 1979-05-27 0x """ #'.split())
PATHS = (b"frame1", b"/", b"10", b"01", b".png", b"a.b", b"\xff")
TARGETS: dict[str, Target] = {
    "spec": Target(spec, seeds.specs, 0.08, (b'"fc_dim"', b'"strides"', b"[", b"]")),
    "safetensors": Target(safetensors, seeds.safetensors, 0.02, (b'"data_offsets"', b'"shape"', b"[0,0]", b'"F32"')),
    "metadata": Target(metadata, seeds.metadata, 0.02, (b'"frames"', b'\\"', b"Infinity")),
    "authors": Target(authors, seeds.authors, 0.02, (b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"ustar")),
    "pickle": Target(
        pickled, seeds.pickles, 0.02, (b"h\x01", b"\x85", b"\x86", b"q\x01", b"R", b"b", b"cos\nsystem\n")
    ),
    "coded": Target(coded, seeds.coded, 0.01, (b"\x89NERV\r\n\x1a", b'"tensors"')),
    "summed": Target(
        summed, seeds.coded, 0.03, (b'"levels":', b'"low":', b'"flat"', b'"table"', b'"name"', b"\x00" * 64)
    ),
    "bench": Target(bench, lambda: [seeds.BENCH], 0.05, WORDS),
    "glob": Target(glob, lambda: [b"nerv-xs/*", b"*/ov/*", b"nerv-[!s]?/*/b1"], 0.05, (b"*", b"?", b"[", b"!", b"]")),
    "frames": Target(frames, lambda: [b"0,65,131", b"10:20", b":5,100:"], 0.05, (b":", b",", b"131", b"132")),
    "weights": Target(weights, lambda: [b"bundled", b"seeded:0", b"a/b.pth"], 0.05, (b"x" * 300, b"seeded:")),
    "line": Target(line, seeds.results, 0.095, (b'"schema"', b"1e308", b"5e-324", b"\\ud800", b"0.0")),
    "report": Target(
        report,
        lambda: [b"\n".join(seeds.results()[:4]), b"\n".join(seeds.results()[4:])],
        0.02,
        (b"0.0", b"1e308", b"5e-324", b"-1", b"\n"),
    ),
    "hnerv": Target(authors, seeds.hnerv, 0.02, (b"PK\x03\x04", b"quant", b"scale", b"embed")),
    "trial": Target(trial, seeds.trial, 0.02, (b'"schema"', b"1e308", b"null", b"-1", b"{}")),
    "point": Target(point, seeds.points, 0.01, (b'"schema"', b"1e308", b"5e-324", b"null", b"0", b"-1")),
    "gap": Target(gap, seeds.gaps, 0.02, (b'"schema"', b"1e308", b"5e-324", b"null", b"0", b"-1", b"[]")),
    "kernels": Target(
        kernels,
        lambda: [b"batch,in_channels,out_channels,height_width,v100_ms\n1,3,8,10,0.5\n2,4,4,9,0.1\n"],
        0.03,
        (b"nan", b"-1", b'"', b"\r", b"1e308", b",", b"\n", b"v100_ms"),
    ),
    "axis": Target(axis, lambda: [b"1,2,4", b"1e-4:1e-2"], 0.02, (b":", b",", b"1e308", b"nan", b"5e-324")),
    "markdown": Target(
        markdown, lambda: [b"a_b [x](http://y)", b"1. *a*|<b>", b"www.a.org"], 0.08, (b"`", b"~~~", b"&lt;")
    ),
    "sorting": Target(sorting, lambda: [b"f1.png/f10.png/f2.png", b"a/b1c2"], 0.07, PATHS),
    "container": Target(container, seeds.videos, 0.03, (b"moov", b"mdat", b"free", b"\x1a\x45\xdf\xa3")),
    "image": Target(image, seeds.images, 0.01, (b"IHDR", b"zTXt", b"%!PS-Adobe-3.0 EPSF-3.0\n")),
    "chosen": Target(others.chosen, seeds.chosen, 0.02, (b'"schema"', b'"joined"', b"null", b"[]", b"{}")),
    "history": Target(
        others.history, seeds.history, 0.02, (b'"epoch"', b'"seconds"', b"null", b"NaN", b"\n", b"1e999")
    ),
    "state": Target(others.state, seeds.states, 0.005, (b"identity", b"optimiser", b"PK\x03\x04")),
    "array": Target(others.array, seeds.arrays, 0.02, (b"descr", b"|u1", b"fortran_order", b"shape", b"O")),
    "described": Target(others.described, seeds.descriptions, 0.02, (b'"sha256"', b'"notes"', b"null", b"[]", b"{}")),
    "machine": Target(
        others.machine, seeds.machines, 0.02, (b"cpu1 ", b"\n", b")", b" ", b"-", b"kB", b"MemAvailable:")
    ),
    "words": Target(
        others.words, lambda: [b"8m", b"3%", b"nerv-xs/fp32/ov/b1", b"bikes:132"], 0.02, (b"%", b"h", b"/b")
    ),
    "inspector": Target(others.inspector, seeds.inspected, 0.02, (b'"Layers"', b'"Name"', b'"Count"', b"null", b"{}")),
    "compared": Target(others.compared, seeds.results, 0.01, (b'"schema"', b"1e308", b"5e-324", b"null", b"[]")),
    "explained": Target(others.explained, seeds.results, 0.005, (b'"schema"', b"1e308", b"5e-324", b"null", b"[]")),
    "planted": Target(
        others.planted, seeds.planted, 0.01, (b'"schema"', b'"truth"', b"1e308", b"null", b"[]", b"{}", b"\n")
    ),
    "video": Target(video, seeds.videos, 0.005, (b"moov", b"stsz", b"#EXTM3U\n", b"ffconcat version 1.0\n")),
}


@functools.cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])
