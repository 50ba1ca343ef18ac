"""What is handed to a process of the sweep, and what it hands back: plain records, pickled into a private folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nervbench.records import Artifact, Case, Cost, DeviceCard
from nervbench.runtime.base import Opening
from nervbench.settings import Player, Server, Stopping

if TYPE_CHECKING:  # a worker that times starts sooner without what reads files
    from nervbench.config import ClipSource
    from nervbench.trials import Setting

ArtifactKey = tuple[str, str]
"""(format, precision)"""


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """Describe a device and, if ``budget_s`` is over 0, measure its ceilings; the answer is a DeviceCard."""

    device: str
    budget_s: float


@dataclass(frozen=True, slots=True)
class AskJob:
    """Ask runtimes what they can do on a device: (runtime, precision) pairs."""

    device: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The artifact that a pair opens, with what its runtime takes, or why it cannot run."""

    wants: ArtifactKey | None = None
    refusal: str | None = None
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelJob:
    """Make what all cases of one model share: its reference frames, its source frames, its pictures, its costs.

    ``batches`` are those in use: the frames to be compared are the first frames of a few batches spread over the
    clip, and all that follow them in the batch. The answer is a :class:`Prepared`.
    """

    model: str
    weights: str
    clip: ClipSource
    precisions: tuple[str, ...]
    batches: tuple[int, ...]
    checked: int
    cache: Path
    pictures: Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """What :class:`ModelJob` made. Frames lie in ``reference`` as one file each, the source as one array in ``source``.

    ``trained`` weights have a source that they must resemble; ``reference_psnr_db`` is how well fp32 eager does.
    ``unpack_s`` are the seconds from the checkpoint's file to its tensors; None for weights that no file holds.
    """

    model: str
    weights: str
    checkpoint: Path
    checkpoint_bytes: int
    frames: int
    starts: tuple[int, ...]
    costs: dict[str, Cost]
    reference: Path
    source: Path | None
    reference_psnr_db: float | None
    clip: str
    clip_sha256: str
    resample: str
    unpack_s: float | None = None


@dataclass(frozen=True, slots=True)
class ExportJob:
    """Make artifacts of a prepared model; the answer is :data:`Exports`."""

    checkpoint: Path
    keys: tuple[ArtifactKey, ...]
    cache: Path


@dataclass(frozen=True, slots=True)
class Exported:
    """The artifact's file and description."""

    path: Path
    artifact: Artifact


Exports = dict[ArtifactKey, Exported | str]
"""Artifacts, or why there is none."""


@dataclass(frozen=True, slots=True)
class CaseJob:
    """Measure one case; the answer is a Result.

    ``max_loss_db`` is the quality that its precision may cost, ``assumed_quality_db`` that of weights without a source.
    With ``profile`` its operators are timed too, afterwards. With ``uses_torch`` its process may be forked from one
    that has it. What is in the file ``spool`` when the process ends before its time are the samples until then: see
    :class:`nervbench.measure.scenario.Spool`.
    """

    case: Case
    device: str
    card: DeviceCard
    prepared: Prepared
    exported: Exported
    stopping: Stopping
    server: Server
    player: Player
    max_loss_db: float
    assumed_quality_db: float
    profile: bool = False
    uses_torch: bool = False
    spool: Path | None = None

    @property
    def opening(self) -> Opening:
        """What the session of the case is opened with."""
        case = self.case
        return Opening(
            self.exported.path, self.exported.artifact, case.precision, case.batch, self.prepared.frames, self.card
        )


@dataclass(frozen=True, slots=True)
class PairJob:
    """Let two cases take turns, in a pair of processes, until ``until_s`` by the monotonic clock of the machine.

    A side that is silent for ``timeout_s`` is given up. The answer is every :class:`Turn`, in order.
    """

    sides: tuple[CaseJob, CaseJob]
    pair: int
    until_s: float
    seed: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the pair of processes and the round it belongs to, the side (``a`` or ``b``), seconds a frame."""

    pair: int
    round: int
    side: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Train a model on a clip in ``folder`` and score it; name, ``clip`` and ``recipe`` as in a Trial, the answer.

    ``source`` is where the clip is, so that it is found from another working folder too; ``place`` is the device.
    """

    name: str
    model: str
    clip: str
    source: str
    recipe: dict[str, Setting]
    folder: Path
    place: str = "cpu"


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that ended with an error of ours: the class of the error by name, and its message."""

    error: str
    message: str


Job = ProbeJob | AskJob | ModelJob | ExportJob | CaseJob | TrainJob | tuple["Job", ...]
"""What a process can be told to do; of several, done one after the other, the answer is a list."""


def takes_torch(job: Job) -> bool:
    """Whether a job may be forked from a process that has imported PyTorch.

    Cases of runtimes that get along without shall not have it, nor such a runtime that is asked by itself.
    """
    match job:
        case CaseJob():
            return job.uses_torch
        case AskJob():
            return len(job.pairs) > 1
    return True


def said(error: BaseException | None) -> str:
    """What an error says; an error of a plugin may fail at that too."""
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 (it may be anything)
        return f"it cannot say why: its __str__ raised {type(worse).__name__}"
