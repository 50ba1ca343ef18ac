"""What the machine and one process do, as Linux tells it under /proc and /sys.

Two kinds. What holds now (clock, temperature, memory left) is read again and again. What only grows (processor time,
faults, energy) is read before and after, and the difference says what the span took. The second kind is the dearer one
(every process is looked at, to know which belong to the worker), and nothing of it is read meanwhile, so that
watching costs the same on a machine of 2 and of 200 processors.

Sources: proc(5); the kernel's Documentation/ on cpufreq, hwmon, powercap and the scheduler's statistics.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from nervbench.device.base import Reading

Answer = TypeVar("Answer")

SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
"""Names of the drivers that know the temperature of a processor (Intel, AMD twice, Arm boards)."""

MOST_PROCESSORS = 1 << 16
NS_PER_S = 1e9
SEEN, UNSEEN_S = 0.5, 0.5
"""Of what others took a share, beside some seconds, that must be of those who are seen."""
CLOCKS = 8
"""Processors whose clock is read, at most: reading it may wake or interrupt the processor that is asked."""


class CpuReadings:
    """The processors that a process may use, the machine's memory, and the process with its children.

    ``root`` is where /proc and /sys are.
    """

    def __init__(self, pid: int, root: Path = Path("/")) -> None:
        self._pid = pid
        self._proc = root / "proc"
        self.processors = _allowed(self._proc / str(pid) / "status")
        folders = [root / f"sys/devices/system/cpu/cpu{number}/cpufreq" for number in sorted(self.processors)]
        clocks = [folder / "scaling_cur_freq" for folder in folders if folder.exists()]
        self._clocks = clocks[:: -(-len(clocks) // CLOCKS) or 1]
        sensors = sorted((root / "sys/class/hwmon").glob("hwmon*"))
        self._sensors = [chip / "temp1_input" for chip in sensors if _text(chip / "name") in SENSORS]
        domains = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
        self._packages = [domain for domain in domains if _text(domain / "name").startswith("package")]
        self._energy_j = 0.0
        self._counted_uj: dict[Path, int] = {}
        self._switched: dict[str, tuple[int, int]] = {}
        self._tree: set[int] = set()
        self._scheduled: dict[str, tuple[int, int]] | None = None
        self._others_first_s = self._others_ran_s = self._others_waited_s = 0.0

    def now(self) -> dict[str, Reading]:
        """Clock in Hz, temperature in °C, available memory in bytes."""
        _asked(self._energy)  # its counter starts again every few minutes: not seen twice in a row, it is lost
        return {
            "clock": _asked(self._clock),
            "cpu_temperature": _asked(self._temperature),
            "memory_available": _asked(self._available),
        }

    def totals(self) -> dict[str, Reading]:
        """Totals since some moment in the past.

        Processor time in s: ``others_cpu`` is what the processors worked less what the process with its children took
        and less what this one took; ``others_waiting`` is for how long threads of others were ready to run and waited;
        ``steal`` is what a hypervisor gave to others while they had work to do.
        ``cpu_energy`` in J, ``swap_…`` in bytes; faults and switches of the process as counts.
        """
        processes = _spread(("tree", "minor_faults", "major_faults"), self._of_processes)
        processors = _spread(("busy", "steal"), self._of_processors)
        own_s = time.process_time()
        tree, busy = processes.pop("tree"), processors.pop("busy")
        others: Reading
        if isinstance(tree, str) or isinstance(busy, str):
            others = tree if isinstance(tree, str) else busy
        else:
            others = busy - tree - own_s
        return {
            "others_cpu": others,
            "others_waiting": others if isinstance(others, str) else _asked(lambda: self._waited(others)),
            "cpu_energy": _asked(self._energy),
            **processes,
            **processors,
            **_spread(("voluntary_switches", "involuntary_switches"), self._of_threads),
            **_spread(("swap_in", "swap_out"), self._swapped),
        }

    def _clock(self) -> float:
        """The fastest of those that are asked, since processors with nothing to do clock down."""
        if not self._clocks:
            msg = (
                "no cpufreq for the processors, as usual in a virtual machine; "
                "the MHz of /proc/cpuinfo are no reading there, they stay the same whatever the clock does"
            )
            raise LookupError(msg)
        return max(int(_read(file)) for file in self._clocks) * 1e3

    def _temperature(self) -> float:
        if not self._sensors:
            msg = "no sensor of a processor under /sys/class/hwmon, as usual in a virtual machine"
            raise LookupError(msg)
        return max(int(_read(file)) for file in self._sensors) / 1e3

    def _available(self) -> int:
        """Of the machine. What a control group allows may be less."""
        return int(_named(self._proc / "meminfo", "MemAvailable:")) * 1024

    def _energy(self) -> float:
        """Joules since the first call, summed over packages (RAPL); each counter starts again at its range."""
        if not self._packages:
            msg = "no RAPL counter under /sys/class/powercap, as usual in a virtual machine"
            raise LookupError(msg)
        for package in self._packages:
            counted = int(_read(package / "energy_uj"))
            grown = counted - self._counted_uj.get(package, counted)
            if grown < 0:
                grown += int(_read(package / "max_energy_range_uj"))
            self._counted_uj[package] = counted
            self._energy_j += grown / 1e6
        return self._energy_j

    def _of_processors(self) -> tuple[float, float]:
        """Seconds that the processors worked, and that a hypervisor gave to others while they had work to do."""
        busy = steal = found = 0
        for line in _read(self._proc / "stat").splitlines():
            name, *rest = line.split()
            if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in self.processors:
                user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, rest[:8])
                busy, steal, found = busy + user + nice + system + irq + softirq, steal + stolen, found + 1
        if not found:
            msg = f"{self._proc / 'stat'} does not list the processors that process {self._pid} may use"
            raise LookupError(msg)
        return busy * _tick_s(), steal * _tick_s()

    def _of_processes(self) -> tuple[float, int, int]:
        """Seconds that the process and its children took, this process left out, and the faults of the process.

        With what its children took that have ended counted for each, nothing is lost or doubled when one ends.
        """
        stats: dict[int, list[str]] = {}
        for folder in self._proc.glob("[0-9]*"):
            with suppress(OSError):  # ended meanwhile
                stats[int(folder.name)] = _read(folder / "stat").rpartition(")")[2].split()
        if self._pid not in stats:
            raise LookupError(self._ended)
        tree = {self._pid}
        while more := {pid for pid, stat in stats.items() if int(stat[1]) in tree} - tree - {os.getpid()}:
            tree |= more
        self._tree = tree
        ticks = sum(int(field) for pid in tree for field in stats[pid][11:15])
        return ticks * _tick_s(), int(stats[self._pid][7]), int(stats[self._pid][9])

    def _of_threads(self) -> tuple[int, int]:
        """Switches of all threads: those in /proc/PID/status are of the first thread alone.

        What a thread that has ended did after it was last seen is lost.
        """
        seen = list((self._proc / str(self._pid) / "task").glob("*/status"))
        if not seen:
            raise LookupError(self._ended)
        for file in seen:
            with suppress(OSError):  # ended meanwhile
                counts = (_named(file, name) for name in ("voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"))
                self._switched[file.parent.name] = (int(next(counts)), int(next(counts)))
        voluntary, involuntary = zip(*self._switched.values(), strict=True)
        return sum(voluntary), sum(involuntary)

    def _waited(self, others_s: float) -> float:
        """Seconds since the first call that threads of others waited for one of the processors.

        By the scheduler's statistics of each thread: nanoseconds it ran, and that it was ready to and did not. Raises
        LookupError where these are not to be seen of those that took the ``others_s``, as from within a container.
        """
        before, seen = self._scheduled, dict[str, tuple[int, int]]()
        known = {*map(str, self._tree), str(os.getpid())}
        for task in self._proc.glob("[0-9]*/task/[0-9]*"):
            with suppress(OSError):  # ended meanwhile
                if task.parts[-3] not in known:
                    stat = _read(task / "schedstat").split()
                    seen[task.name] = (int(stat[0]), int(stat[1]))
        if not seen:
            msg = f"no thread of another process is to be seen under {self._proc}"
            raise LookupError(msg)
        self._scheduled = seen
        if before is None:
            self._others_first_s = others_s
            return 0.0
        for thread, (ran, waited) in seen.items():
            ran_before, waited_before = before.get(thread, (0, 0))
            if (ran, waited) != (ran_before, waited_before) and self._on_ours(thread):
                self._others_ran_s += max(0, ran - ran_before) / NS_PER_S
                self._others_waited_s += max(0, waited - waited_before) / NS_PER_S
        grown_s = others_s - self._others_first_s
        if self._others_ran_s < SEEN * (grown_s - UNSEEN_S):
            msg = f"others took {grown_s:.1f} s of the processors, those that are seen {self._others_ran_s:.1f} s"
            raise LookupError(msg)
        return self._others_waited_s

    def _on_ours(self, thread: str) -> bool:
        """Whether a thread was last on one of the processors; True where it has ended."""
        try:
            return int(_read(self._proc / thread / "stat").rpartition(")")[2].split()[36]) in self.processors
        except (OSError, LookupError):
            return True

    def _swapped(self) -> tuple[int, int]:
        file, page = self._proc / "vmstat", os.sysconf("SC_PAGE_SIZE")
        return int(_named(file, "pswpin ")) * page, int(_named(file, "pswpout ")) * page

    @property
    def _ended(self) -> str:
        return f"process {self._pid} has ended"


def _asked(read: Callable[[], Answer]) -> Answer | str:
    """What ``read`` gives, or why it gives nothing."""
    try:
        return read()
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except (ArithmeticError, ValueError, LookupError) as error:
        return str(error.args[0])


def _spread(names: Sequence[str], read: Callable[[], Sequence[float]]) -> dict[str, Reading]:
    """What ``read`` gives by name, or for each name why it gives nothing."""
    values = _asked(read)
    return dict.fromkeys(names, values) if isinstance(values, str) else dict(zip(names, values, strict=True))


def _named(file: Path, name: str) -> str:
    """The word after ``name`` at the beginning of a line. Raises LookupError where no line begins so."""
    for line in _read(file).splitlines():
        if line.startswith(name):
            return line.split()[1]
    msg = f"{file} has no {name.rstrip(': ')}"
    raise LookupError(msg)


def _read(file: Path) -> str:
    """The content of a file; a process may have any bytes for a name."""
    return file.read_text(errors="replace")


def _text(file: Path) -> str:
    """What a short file says; empty where it cannot be read."""
    try:
        return _read(file).strip()
    except OSError:
        return ""


def _allowed(status: Path) -> frozenset[int]:
    """Numbers of the processors that a process may use (``0-3,8``); empty where the system does not say."""
    try:
        parts = [part.partition("-") for part in _named(status, "Cpus_allowed_list:").split(",")]
        ranges = [(int(low), int(high or low)) for low, _, high in parts]
    except (OSError, LookupError, ValueError):
        return frozenset()
    return frozenset(number for low, high in ranges for number in range(low, min(high, MOST_PROCESSORS) + 1))


def _tick_s() -> float:
    return 1 / os.sysconf("SC_CLK_TCK")
