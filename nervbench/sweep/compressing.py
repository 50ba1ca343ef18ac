"""A whole compression: a checkpoint opened, pruned, fine-tuned on its clip, quantised, coded, written and scored.

The same order again goes on with a fine-tuning that was interrupted: its state lies beside the file to be, until that
is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nervbench.codec.compress import Account, compress
from nervbench.codec.prune import kept, pruned
from nervbench.data.clip import Clip, load, open_clip, trained_filter
from nervbench.files import writable_folder, write_atomically
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.source import opened
from nervbench.records import Quality
from nervbench.scoring import check_same_length, score
from nervbench.sweep.compress_order import CompressOrder as CompressOrder
from nervbench.sweep.compress_order import check
from nervbench.train.loop import STATE, Recipe, Start, train, trained

Advance = Callable[[int, str], object]
"""Called with how much of a step is done, and a word on it."""
Watch = Callable[[str, int], AbstractContextManager[Advance]]
"""What shows progress: entered for each step that takes long, with its name and how much there is to do."""


@dataclass(frozen=True, slots=True)
class Compressed:
    """What became of it; qualities are None without a clip, the rate (of the whole file) where no length is known."""

    account: Account
    bits_per_pixel: float | None
    before: Quality | None
    after: Quality | None


@contextlib.contextmanager
def unwatched(_step: str, _total: int) -> Iterator[Advance]:
    """Progress that nobody sees."""
    yield lambda _done, _text: None


def compress_whole(
    order: CompressOrder, watch: Watch = unwatched, tell: Callable[[str], object] = lambda _: None
) -> Compressed:
    """Write ``order.out``, a file that is used wherever a checkpoint is; ``tell`` is called with what was assumed.

    Raises ConfigError for an order that cannot be followed, CheckpointError and ClipError for inputs that cannot be
    used, OutputError where nothing can be written, and what the training raises.
    """
    check(order)
    loaded = opened(order.checkpoint, tell)
    clip = open_clip(order.source) if order.source else None
    before = _scored(order.checkpoint, loaded, clip, watch) if clip else None
    masks = kept(loaded.tensors, order.share) if order.share else {}
    if clip and order.epochs:
        smaller = _finetuned(loaded, masks, clip, order, watch)
    else:
        smaller = dataclasses.replace(loaded, tensors=pruned(loaded.tensors, masks))
    data, account = compress(smaller, order.bits, {"pruned": order.share, "finetune_epochs": order.epochs})
    write_atomically(order.out, data)
    if order.epochs:
        _forget_training(order.out)
    after = _scored(str(order.out), checkpoint.load(order.out), clip, watch) if clip else None
    frames = loaded.frames or (clip.frames if clip else None)
    pixels = frames and frames * loaded.spec.width * loaded.spec.height
    return Compressed(account, 8 * account.file_bytes / pixels if pixels else None, before, after)


def _scored(name: str, loaded: Checkpoint, clip: Clip, watch: Watch) -> Quality:
    """The quality on the clip; raises CheckpointError where that has another length."""
    check_same_length(name, loaded, clip)
    with watch("eval", clip.frames) as advance:
        return score(loaded, clip, lambda done, psnr_db: advance(done, f"PSNR {psnr_db:.2f} dB"))


def _finetuned(
    loaded: Checkpoint, masks: dict[str, Tensor], clip: Clip, order: CompressOrder, watch: Watch
) -> Checkpoint:
    """Train the weights that stay."""
    folder = writable_folder(_training(order.out))
    frames = load(clip, (loaded.spec.width, loaded.spec.height), trained_filter(loaded.notes))
    recipe = Recipe(epochs=order.epochs, save_every=1)
    with watch("fine-tune", order.epochs) as advance:
        for epoch in train(loaded.spec, frames, recipe, folder, Start(loaded.tensors, masks)):
            advance(epoch.number, f"loss {epoch.loss:.4f} PSNR {epoch.psnr_db:.2f} dB")
    notes = loaded.notes | {"clip": clip.name, "clip_sha256": clip.sha256}
    return trained(loaded.spec, clip.frames, folder, notes)


def _training(out: Path) -> Path:
    """Where the state of a fine-tuning is until the file is written."""
    return out.with_name(f"{out.name}.training")


def _forget_training(out: Path) -> None:
    with contextlib.suppress(OSError):  # there was none, or something else is in the folder
        (_training(out) / STATE).unlink()
        _training(out).rmdir()
