"""The page of rate and distortion: curves, savings, words, and a picture."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from nervbench.rates import CODEC, NETWORK, RatePoint, Source, Timed
from nervbench.records import Quality, Status
from nervbench.report.rate import generate
from nervbench.report.rate_curves import label_of, rate_at, saving, scenes_of
from nervbench.report.rate_figure import rate_figure

SOURCE = Source("bar", "ab" * 32, 320, 180, 24, "bicubic")
X264 = ((0.0774, 29.32), (0.1350, 31.50), (0.2560, 33.73), (0.5030, 35.56), (0.9242, 37.01))
AV1 = ((0.0949, 32.00), (0.1428, 33.89), (0.2115, 35.34), (0.317, 36.52), (0.559, 37.82))
HOSTILE = "<script>alert(1)</script> | [x](http://evil) `code`"


def quality(rate: float, psnr_db: float) -> Quality:
    """Of a file with this rate."""
    return Quality(24, psnr_db, psnr_db - 1, 3, 0.97, 0.9, rate, "bar", "ab" * 32, "bicubic", None)


def codec_point(rate: float, psnr_db: float, crf: int, method: str = "x264", pixels: str = "yuv420p") -> RatePoint:
    """A point of a codec that was measured."""
    return RatePoint(
        method=method,
        kind=CODEC,
        settings={"preset": "medium", "crf": str(crf), "pixel_format": pixels, "tune": "psnr"},
        threads=2,
        device="CPU: a processor",
        source=SOURCE,
        versions={"av": "18.1.0"},
        size_bytes=1000,
        payload_bytes=900,
        conversion_psnr_db=40.6,
        quality=quality(rate, psnr_db),
        encode=Timed(24, (0.2, 0.2, 0.2), (0.3, 0.3, 0.3)),
        decode=Timed(24, (0.02, 0.02, 0.02)),
        decode_rgb=Timed(24, (0.1, 0.1, 0.1)),
    )  # fmt: skip


def curve(pairs: tuple[tuple[float, float], ...], method: str = "x264", pixels: str = "yuv420p") -> list[RatePoint]:
    """The points of a codec, each with a quality of its own."""
    return [codec_point(rate, psnr_db, 40 - place, method, pixels) for place, (rate, psnr_db) in enumerate(pairs)]


def network(rate: float = 2.04, psnr_db: float = 30.5, name: str = "nerv-xs") -> RatePoint:
    """A point of a network."""
    settings = {"family": "nerv", "weights_sha256": "cd" * 32}
    decode = Timed(1, (0.04,) * 24, (0.07,) * 24, (0.1,))
    return RatePoint(name, NETWORK, settings, 2, "CPU: a processor", SOURCE, {"torch": "2.13.0"},
                     size_bytes=9, quality=quality(rate, psnr_db), decode_rgb=decode)  # fmt: skip


def text_of(points: list[RatePoint]) -> str:
    """The page."""
    return generate(points, "nervbench rate --page -o FOLDER")["rate.md"].decode()


def test_saving_as_published() -> None:
    """The delta rate is that of the package bjontegaard 1.3.0 (FAU-LMS) with the method pchip: -50.1023 %."""
    (scene,) = scenes_of([*curve(X264), *curve(AV1, "svt-av1")])
    base, other = scene.curves
    found = saving(other, base)
    assert found.share == pytest.approx(-0.5010231486035857, abs=1e-9)
    assert (found.low_db, found.high_db) == (32.00, 37.01)


def test_saving_of_a_factor() -> None:
    """A curve with half the bits everywhere saves half; against itself nothing."""
    halved = tuple((rate / 2, psnr_db) for rate, psnr_db in X264)
    (scene,) = scenes_of([*curve(X264), *curve(halved, "x265")])
    base, other = scene.curves
    assert saving(other, base).share == pytest.approx(-0.5)
    assert saving(base, base).share == pytest.approx(0)


def test_no_saving() -> None:
    """Without four points or without a PSNR in common there is no delta rate, and a reason."""
    higher = tuple((rate, psnr_db + 20) for rate, psnr_db in X264)
    (scene,) = scenes_of([*curve(X264), *curve(higher, "x265"), *curve(AV1[:3], "svt-av1")])
    base, apart, short = scene.curves
    assert saving(apart, base).reason == "no PSNR in common (49.3 to 57.0 dB against 29.3 to 37.0 dB)"
    assert saving(short, base).reason == "svt-av1 medium, yuv420p has 3 points; 4 are needed"
    assert saving(apart, base).share is saving(short, base).share is None


def test_rate_at() -> None:
    """At a point the curve has its rate, between points one between, beyond the ends none."""
    base = scenes_of(curve(X264))[0].curves[0]
    assert rate_at(base, 31.50) == pytest.approx(0.1350)
    assert 0.1350 < (rate_at(base, 32.5) or 0) < 0.2560
    assert (rate_at(base, 29.0), rate_at(base, 40.0)) == (None, None)


def test_curves() -> None:
    """A curve has one pixel format, the largest thread count, and no point that is larger and no better."""
    worse = codec_point(0.95, 36.0, 9)
    alone = [replace(point, threads=1) for point in curve(X264)]
    (scene,) = scenes_of([*alone, *curve(X264), worse, *curve(X264, pixels="yuv444p")])
    assert [(one.label, one.threads, len(one.points)) for one in scene.curves] == [
        ("x264 medium, yuv420p", 2, 5),
        ("x264 medium, yuv444p", 2, 5),
    ]
    assert worse not in scene.curves[0].points


def test_label() -> None:
    """A curve that is not tuned for PSNR says so."""
    point = curve(X264)[0]
    assert label_of(replace(point, settings=point.settings | {"tune": "visual"})) == "x264 medium, yuv420p, visual"


def test_answer() -> None:
    """The answer says what a network costs, how many times fewer bits the codecs need, and how fast each decodes."""
    page = text_of([network(), *curve(X264)])
    assert "**nerv-xs**: 2.04 bits per pixel for 30.50 dB." in page
    assert "x264 medium, yuv420p 0.104 (19.7 times fewer)" in page
    assert "It decodes 25.0 FPS to RGB (CPU: a processor, 2 threads)" in page
    assert "x264 medium, yuv420p at 31.5 dB decodes 240 FPS to RGB and 1200 to YCbCr" in page


def test_better_network() -> None:
    """Where a network needs fewer bits, the codecs need more; where no point reaches it, nothing is made up."""
    page = text_of([network(0.01037), network(0.1, 50.0, "nerv-best"), *curve(X264)])
    assert "0.104 (10.0 times more)" in page
    assert "Not known where no point reaches down or up to it: x264 medium, yuv420p." in page


def test_rows() -> None:
    """A row has threads, cores, and where it ran; a network's encoding is not recorded, and it has no YCbCr."""
    page = text_of([network(), *curve(X264[:1])])
    (row,) = [line for line in page.splitlines() if line.startswith("| nerv-xs")]
    assert "| not recorded | – | 25.0 (1.8) | CPU: a processor |" in row
    (row,) = [line for line in page.splitlines() if line.startswith("| x264")]
    assert "| 40 | 2 | 0.0774 | 29.32 / 28.32 | 0.9700 | 120 (1.5) | 1200 | 240 | CPU: a processor |" in row


def test_unsupported() -> None:
    """A codec that this PyAV has not is a row with its reason, and the page stands."""
    point = replace(curve(X264)[0], method="vp9", status=Status.UNSUPPORTED, reason="no such encoder", quality=None)
    page = text_of([point, *curve(X264)])
    assert "UNSUPPORTED: no such encoder" in page


def test_what_is_unlike() -> None:
    """The page says in words that devices, colours, tuning and encoding differ, and ends with how to make it again."""
    page = text_of([network(), *curve(X264)])
    for words in ("it is another device than theirs", "4:2:0", "tuned for PSNR", "its training"):
        assert words in page
    assert page.rstrip().endswith("the same points give the same bytes.")


def test_noise_is_named() -> None:
    """Rows whose samples scatter are counted, and the worst is named."""
    noisy = replace(curve(X264)[2], decode=Timed(24, (0.1, 0.2, 0.3, 0.4)))
    assert "in 1 of 2 rows, most in x264 medium, yuv420p crf 38" in text_of([curve(X264)[0], noisy])
    assert "scatter" not in text_of(curve(X264))


def test_nothing() -> None:
    """Without points there is a page that says so, and no figure."""
    generated = generate([], "nervbench rate")
    assert list(generated) == ["rate.md"]
    assert "No point was made yet" in generated["rate.md"].decode()


def test_hostile_words() -> None:
    """Whatever a points file holds, the page shows it as text and the figure is drawn."""
    point = replace(
        curve(X264)[0],
        method=HOSTILE,
        device=HOSTILE,
        source=replace(SOURCE, clip=HOSTILE, resample=HOSTILE),
        settings={"crf": HOSTILE, "preset": HOSTILE, "pixel_format": HOSTILE, "tune": HOSTILE},
        versions={HOSTILE: HOSTILE},
        encoder=HOSTILE,
        remark=HOSTILE,
    )
    star = replace(network(name=HOSTILE), source=point.source, remark=HOSTILE)
    generated = generate([point, star, replace(point, status=Status.CRASHED, reason=HOSTILE)], "nervbench rate")
    html = MarkdownIt("commonmark").enable("table").render(generated["rate.md"].decode())
    assert "<script" not in html
    assert 'href="http://evil' not in html
    rows = [line for line in generated["rate.md"].decode().splitlines() if line.startswith("| ")]
    assert {line.count("|") - line.count("\\|") for line in rows} == {12}
    assert b"<script" not in generated["rate-1.svg"]


@pytest.mark.parametrize(
    ("rate", "psnr_db"), [(0.0, 30.0), (-1.0, 30.0), (1e300, 30.0), (1.0, 1e300), (5e-324, -1e300)]
)
def test_impossible_numbers(rate: float, psnr_db: float) -> None:
    """A rate or a PSNR that no picture has is a row, in no curve and no figure."""
    (scene,) = scenes_of([codec_point(rate, psnr_db, 40), network(rate, psnr_db)])
    assert (scene.curves, scene.networks, rate_figure(scene)) == ((), (), None)
    assert "Rows without a rate or a PSNR that can be drawn" in text_of(list(scene.points))


def test_figure() -> None:
    """The picture is the same for the same points, and has a line's label, a star's name and plain numbers."""
    (scene,) = scenes_of([network(), *curve(X264), *curve(AV1, "svt-av1")])
    drawn = rate_figure(scene)
    assert drawn is not None
    assert drawn == rate_figure(scene)
    words = {"".join(part.itertext()).strip() for part in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")}
    assert {"x264 medium, yuv420p", "svt-av1 medium, yuv420p", "nerv-xs", "0.1", "2"} <= words


def test_scenes() -> None:
    """Points of other frames have a section and a figure of their own."""
    other = [replace(point, source=replace(SOURCE, clip="bikes")) for point in curve(X264)]
    generated = generate([*curve(X264), *other], "nervbench rate")
    assert list(generated) == ["rate.md", "rate-1.svg", "rate-2.svg"]
    assert "## bikes: 24 frames of 320×180" in generated["rate.md"].decode()
