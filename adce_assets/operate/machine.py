"""The machine of the loop in, what of it is running short out.

What is too little is said by the section `resources` of `config/autonomous_config.yaml`. Where the system does not tell
how much there is of something, it is not short.
"""

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adce_assets.restraints import Resources

MIB, GIB = 1024**2, 1024**3
MEMORY = Path("/proc/meminfo")
OWN_MEMORY = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Machine:
    """How much is free, and how busy it is.

    Attributes:
        free_disk: Bytes free on the fullest of the disks that the loop writes to.
        free_memory: Bytes of memory that programs may still take; None: the system does not tell.
        load: Programs that ran or waited in the last minute, for each processor; None: the system does not tell.
        own_memory: Bytes of memory that this process takes.
    """

    free_disk: int
    free_memory: int | None
    load: float | None
    own_memory: int


def look(folder: Path) -> Machine:
    """Look at this machine, whose loop works in a folder, and writes temporary files."""
    free = min(shutil.disk_usage(_existing(place)).free for place in (folder, Path(tempfile.gettempdir())))
    return Machine(free, _free_memory(), _load(), _own_memory())


def short_for_a_start(limits: Resources, machine: Machine) -> str:
    """Say why no run is to be started; empty where one may."""
    load = limits.load_per_cpu
    return _said(
        *_room(limits, machine),
        f"a load of {machine.load:.1f} on each processor, {load:g} is the most"
        if load is not None and machine.load is not None and machine.load > load
        else "",
    )


def short_for_this_run(limits: Resources, machine: Machine) -> str:
    """Say why the run in this process is to begin nothing new; empty where it may."""
    most = limits.run_memory_mb
    return _said(
        *_room(limits, machine),
        f"the run has taken {machine.own_memory / MIB:,.0f} MB of memory, {most:,} is the most"
        if most is not None and machine.own_memory > most * MIB
        else "",
    )


def give_way(limits: Resources) -> None:
    """Let other programs go before this process, and before what it starts, by as much as is said at least."""
    lacking = limits.nice - os.getpriority(os.PRIO_PROCESS, 0)
    if lacking > 0:
        os.nice(lacking)


def _room(limits: Resources, machine: Machine) -> Iterable[str]:
    disk, memory = limits.free_disk_gb, limits.free_memory_mb
    if disk is not None and machine.free_disk < disk * GIB:
        yield f"{machine.free_disk / GIB:.1f} GB of disk are free, {disk:g} is the least"
    if memory is not None and machine.free_memory is not None and machine.free_memory < memory * MIB:
        yield f"{machine.free_memory / MIB:,.0f} MB of memory are free, {memory:,} is the least"


def _said(*reasons: str) -> str:
    said = "; ".join(reason for reason in reasons if reason)
    return f"short of resources: {said}" if said else ""


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _free_memory() -> int | None:
    if not MEMORY.exists():
        return None
    lines = (line.split() for line in MEMORY.read_text("ascii").splitlines())
    return next((int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:"), None)


def _own_memory() -> int:
    """Read how much this process takes; where only its most is told, that."""
    if OWN_MEMORY.exists():
        return int(OWN_MEMORY.read_text("ascii").split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _load() -> float | None:
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return None
