"""What happens in a training as TensorBoard scalars; needs the extra ``tensorboard``, imported only when asked for."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from nervbench.errors import ConfigError
from nervbench.train.loop import Epoch

Write = Callable[[Epoch, float], None]


def need() -> None:
    """Raises ConfigError, with what to install, where the writer is missing."""
    if importlib.util.find_spec("tensorboardX") is None:
        msg = "--tensorboard needs the package tensorboardX; install it with: pip install 'nervbench[tensorboard]'"
        raise ConfigError([msg])


@contextlib.contextmanager
def scalars(folder: Path) -> Iterator[Write]:
    """Yield a function of an epoch and its seconds, which adds them to the event files in ``folder``.

    The first epoch it is given hides what earlier files hold from there on: a resumed run is one curve.
    """
    need()
    from tensorboardX import SummaryWriter  # noqa: PLC0415 (an extra)

    with contextlib.ExitStack() as open_files:
        writers: list[SummaryWriter] = []

        def write(epoch: Epoch, seconds: float) -> None:
            if not writers:
                suffix = f".from-{epoch.number}"  # the names of two files of one second must differ
                writer = SummaryWriter(str(folder), purge_step=epoch.number, filename_suffix=suffix, flush_secs=10)
                writers.append(open_files.enter_context(writer))
            values = {
                "train/loss": epoch.loss,
                "train/psnr_db": epoch.psnr_db,
                "train/learning_rate": epoch.learning_rate,
                "train/seconds": seconds,
                "decoded/psnr_db": epoch.decoded_psnr_db,
            }
            for name, value in values.items():
                if value is not None:
                    writers[0].add_scalar(name, value, epoch.number)

        yield write
