"""The page of rate and distortion: networks beside conventional codecs on the same frames.

Question, answer, evidence, what is not explained, how to regenerate; as :mod:`nervbench.report.compose` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nervbench.rates import CODEC, RatePoint, Timed
from nervbench.records import Status
from nervbench.report.compose import credits_of
from nervbench.report.markdown import bullets, escape, image, listed, sections, table
from nervbench.report.rate_curves import Curve, Scene, has_place, label_of, rate_at, saving, scenes_of
from nervbench.report.rate_figure import rate_figure
from nervbench.report.tables import speed
from nervbench.stats import noise
from nervbench.units import UNKNOWN, fixed, percent, prefixed, significant

NOISY = 0.1
"""Relative interquartile range of samples from which a row is named."""
HEAD = ("method", "crf", "threads", "bits per pixel", "PSNR mean / worst, dB", "MS-SSIM", "encode FPS (cores)",
        "decode FPS (cores)", "decode FPS, RGB (cores)", "runs on", "remark")  # fmt: skip
QUESTION = """\
**Question.** For the same bits, how near to the source are the frames of a NeRV and of conventional codecs, and how
fast is each encoded and decoded?"""
UNLIKE = (
    "What runs where stands in every row. The conventional codecs encode and decode on CPU threads, by code that is "
    "written for the vector units of such CPUs. A network is decoded in fp32 eager PyTorch on the device of its row; "
    "where that is a GPU, it is another device than theirs, and the FPS do not compare the methods.",
    "The frames are RGB, and so is the PSNR. 4:2:0 (yuv420p) drops three quarters of the colour samples before a codec "
    "sees them; the bound that this sets stands under the table. 4:4:4 (yuv444p) keeps them, where an encoder has it. "
    "A network works in RGB.",
    "x264 and x265 are tuned for PSNR unless the row says visual; SVT-AV1 and libvpx are by default. In PSNR that is "
    "the harder baseline: left to themselves, x264 and x265 aim at what looks good.",
    "A network's encoding is its training; where the checkpoint does not say how long it took, it is not recorded.",
)
METHOD = (
    "Bits per pixel are of the whole file: for a codec a Matroska file with its headers and index, for a network its "
    "checkpoint with shapes and names. Every pixel of every frame that the file holds counts.",
    "PSNR and MS-SSIM are of uint8 RGB frames, by frame and then averaged, the same for all. YCbCr is BT.709 in "
    "limited range both ways, by libswscale with exact rounding and full chroma interpolation.",
    "One key frame at the start and 250 frames later at the latest, and where the encoder sees another scene.",
    "Encoding is from RGB frames in memory to a file in memory, the conversion to YCbCr included. Decoding is from "
    "that file to frames: to the codec's own YCbCr, and further to RGB of uint8 in memory, all that a network has. "
    "The difference is the conversion to RGB, by exact arithmetic; a player would leave it to the display.",
    "FPS are of the median pass over all frames (of a network: the median frame, one at a time), after a warm-up pass. "
    "Threads are what encoder and decoder were told; cores are the processor time they had over the time they took.",
    "The Bjøntegaard delta rate is the mean difference of the logarithm of bits at equal PSNR, over the PSNR that both "
    "curves have, between points by monotone cubics.",
)


def generate(points: Sequence[RatePoint], command: str) -> dict[str, bytes]:
    """The page (``rate.md``) and its figures by their paths; ``command`` makes them again from the same points."""
    scenes = scenes_of(points)
    figures: dict[int, bytes] = {}
    for place, scene in enumerate(scenes):
        if drawn := rate_figure(scene):
            figures[place] = drawn
    names = {place: f"rate-{place + 1}.svg" for place in figures}
    return {"rate.md": page(scenes, command, names).encode(), **{names[place]: figures[place] for place in figures}}


def page(scenes: Sequence[Scene], command: str, figures: Mapping[int, str]) -> str:
    """The whole page as Markdown; ``figures`` maps the place of a scene to the path of its figure."""
    points = [point for scene in scenes for point in scene.points]
    parts = [
        ("Answer", "\n\n".join(map(_answer, scenes)) or "No point was made yet, so there is nothing to say."),
        *((_heading(scene), _evidence(scene, figures.get(place))) for place, scene in enumerate(scenes)),
        ("What is unlike", bullets(UNLIKE)),
        ("Not explained", _not_explained(points)),
        ("How it was measured", bullets([*METHOD, *_versions(points)])),
        ("Credits", credits_of(scene.source.clip for scene in scenes)),
        ("Regenerate", f"`{command}` writes this page again from its points; the same points give the same bytes."),
    ]
    start = f"# Rate and distortion of NeRV and of conventional codecs\n\nGenerated by `{command}`.\n\n{QUESTION}"
    return f"{start}\n\n{sections(parts)}\n"


def _heading(scene: Scene) -> str:
    source = scene.source
    resized = "as it is" if source.resample == "none" else f"resized by the {escape(source.resample)} filter"
    return f"{escape(source.clip)}: {source.frames} frames of {source.width}×{source.height}, {resized}"


def _answer(scene: Scene) -> str:
    """What each network costs at its PSNR, and what the curves cost there."""
    lines = [_network_answer(scene, point) for point in scene.networks]
    if not lines:
        lines = ["No network was measured on these frames; the codecs stand by themselves."]
    return f"**{_heading(scene)}**\n\n{bullets(lines)}"


def _network_answer(scene: Scene, point: RatePoint) -> str:
    if point.quality is None:
        return ""
    rate, psnr_db = point.quality.bits_per_pixel, point.quality.psnr_db
    remark = f" ({escape(point.remark)})" if point.remark else ""
    words = f"**{escape(point.method)}**: {significant(rate)} bits per pixel{remark} for {psnr_db:.2f} dB."
    beside = [(curve, rate_at(curve, psnr_db)) for curve in scene.curves]
    same = [f"{escape(curve.label)} {significant(found)} ({_ratio(found, rate)})" for curve, found in beside if found]
    if same:
        words += f" For that PSNR the codecs need, in bits per pixel: {'; '.join(same)}."
    if absent := [curve.label for curve, found in beside if not found]:
        words += f" Not known where no point reaches down or up to it: {listed(absent)}."
    return words + _decoding_answer(scene, point)


def _ratio(found: float, rate: float) -> str:
    """How a codec's rate relates to a network's."""
    return f"{significant(rate / found)} times fewer" if found <= rate else f"{significant(found / rate)} times more"


def _decoding_answer(scene: Scene, point: RatePoint) -> str:
    """The decoding FPS of a network, and of the baseline at the nearest PSNR on as many threads."""
    if point.decode_rgb is None or point.quality is None:
        return ""
    words = f" It decodes {_fps(point.decode_rgb)} FPS to RGB ({escape(point.device)}, {_threads(point)})"
    base = scene.baseline
    if base is None or base.threads != point.threads:
        return f"{words}."
    wanted = point.quality.psnr_db
    near = min(base.points, key=lambda other: abs(other.quality.psnr_db - wanted) if other.quality else 0.0)
    psnr_db = near.quality.psnr_db if near.quality else None
    where = "the same" if near.device == point.device else f"{escape(near.device)}, {_threads(near)}"
    return (
        f"{words}; {escape(base.label)} at {fixed(psnr_db, 1)} dB decodes {_fps(near.decode_rgb)} FPS to RGB and "
        f"{_fps(near.decode)} to YCbCr ({where})."
    )


def _threads(point: RatePoint) -> str:
    return f"{point.threads} thread{'s' if point.threads != 1 else ''}"


def _evidence(scene: Scene, figure: str | None) -> str:
    """Figure, table of all points, bounds of the pixel formats, savings."""
    parts = [image(f"{scene.source.clip}: bits per pixel and PSNR", figure)] if figure else []
    if figure and len({point.threads for point in scene.points}) > 1:
        parts.append("Of several thread counts the figure shows the largest.")
    ordered = sorted(scene.points, key=lambda point: (point.kind == CODEC, label_of(point), -point.threads))
    parts += [table(HEAD, map(_row, ordered), right=range(1, 9)), _bounds(scene), _savings(scene)]
    return "\n\n".join(part for part in parts if part)


def _row(point: RatePoint) -> list[str]:
    quality, ended = point.quality, point.status is not Status.OK or point.quality is None
    remark = f"{point.status.value}: {point.reason or 'no reason was recorded'}" if ended else point.remark
    return [
        escape(label_of(point)),
        escape(point.settings.get("crf", UNKNOWN)),
        str(point.threads),
        significant(quality.bits_per_pixel) if quality else UNKNOWN,
        f"{quality.psnr_db:.2f} / {quality.psnr_worst_db:.2f}" if quality else UNKNOWN,
        fixed(quality.ms_ssim if quality else None, 4),
        _work(point.encode) if point.encode or point.kind == CODEC else "not recorded",
        _work(point.decode),
        _work(point.decode_rgb),
        escape(point.device),
        escape(remark or ""),
    ]


def _work(timed: Timed | None) -> str:
    """Frames a second, and the cores it took."""
    if timed is None:
        return UNKNOWN
    return _fps(timed) + (f" ({timed.cores:.1f})" if timed.cores is not None else "")


def _fps(timed: Timed | None) -> str:
    return speed(timed.fps if timed else None)


def _bounds(scene: Scene) -> str:
    """What frames keep that only go to a pixel format and back."""
    found = {
        point.settings.get("pixel_format", ""): point.conversion_psnr_db
        for point in scene.points
        if point.conversion_psnr_db is not None
    }
    if not found:
        return ""
    bounds = ", ".join(f"{escape(name)} {bound:.1f} dB" for name, bound in found.items())
    return f"PSNR after the conversion to a pixel format and back alone, without any codec: {bounds}."


def _savings(scene: Scene) -> str:
    """The delta rate of each curve against the baseline."""
    base = scene.baseline
    if base is None:
        return "No delta rates: there is no curve of x264 in yuv420p to compare with."
    head = (f"bits against {escape(base.label)} at equal PSNR", "difference", "over", "remark")
    lines = [_saving(curve, base) for curve in scene.curves if curve is not base]
    return table(head, lines, right=[1]) if lines else ""


def _saving(curve: Curve, base: Curve) -> list[str]:
    found = saving(curve, base)
    if found.share is None:
        return [escape(curve.label), UNKNOWN, UNKNOWN, escape(found.reason or "")]
    over = f"{fixed(found.low_db, 1)} to {fixed(found.high_db, 1)} dB"
    return [escape(curve.label), f"{100 * found.share:+.1f} %", over, ""]


def _not_explained(points: Sequence[RatePoint]) -> str:
    """Rows whose samples scatter, ends that were not reached, and what no row can say."""
    lines = ["Why a network needs the bits that it needs, and a codec the time: both are measured here and no more."]
    spreads = [(_noise(point), f"{label_of(point)} crf {point.settings.get('crf', UNKNOWN)}") for point in points]
    if noisy := [spread for spread in spreads if spread[0] > NOISY]:
        worst, name = max(noisy)
        lines.append(
            f"Samples of a speed scatter by more than {percent(NOISY)} (interquartile range over median) in "
            f"{len(noisy)} of {len(points)} rows, most in {escape(name)} ({percent(worst)}). A busy machine does that; "
            "what did it here was not recorded."
        )
    if absent := [label_of(point) for point in points if point.status is Status.OK and not has_place(point)]:
        lines.append(f"Rows without a rate or a PSNR that can be drawn: {listed(absent)}.")
    return bullets(lines) if points else ""


def _noise(point: RatePoint) -> float:
    """The largest relative interquartile range of its samples, 0 where it is unknown."""
    works = (point.encode, point.decode, point.decode_rgb)
    return max([noise(work.samples_s) or 0.0 for work in works if work], default=0.0)


def _versions(points: Sequence[RatePoint]) -> list[str]:
    """Programs that were used, and how much of a file the container is."""
    encoders = sorted({f"{point.method}: {point.encoder}" for point in points if point.encoder})
    stacks = sorted({f"{name} {version}" for point in points for name, version in point.versions.items()})
    shares = [
        1 - point.payload_bytes / point.size_bytes for point in points if point.payload_bytes and point.size_bytes
    ]
    lines = [f"Encoders, as they name themselves: {'; '.join(map(escape, encoders))}."] if encoders else []
    lines += [f"Libraries: {', '.join(map(escape, stacks))}."] if stacks else []
    if shares:
        sizes = [point.size_bytes for point in points if point.payload_bytes and point.size_bytes]
        small, large = (percent(share, 1) for share in (min(shares), max(shares)))
        between = f"{prefixed(min(sizes), 'B')} to {prefixed(max(sizes), 'B')}"
        lines.append(f"The container, headers of the codec included, is {small} to {large} of files of {between}.")
    return lines
