"""What a machine is short of, by what is left to others of it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adce_assets.operate.machine import GIB, MIB, Machine, look, short_for_a_start, short_for_this_run
from adce_assets.restraints import Resources

WELL = Machine(free_disk=2 * GIB, free_memory=500 * MIB, load=1.0, own_memory=100 * MIB)
LIMITS = Resources(free_disk_gb=1.5, free_memory_mb=400, load_per_cpu=2, run_memory_mb=150)


@pytest.mark.parametrize(
    ("seen", "start", "run"),
    [
        ({}, "", ""),
        ({"free_disk": GIB}, "1.0 GB of disk are free, 1.5 is the least", "1.0 GB of disk are free, 1.5 is the least"),
        ({"free_memory": 399 * MIB}, "399 MB of memory are free", "399 MB of memory are free"),
        ({"load": 2.5}, "a load of 2.5 on each processor, 2 is the most", ""),
        ({"own_memory": 151 * MIB}, "", "the run has taken 151 MB of memory, 150 is the most"),
        ({"free_memory": None, "load": None}, "", ""),
    ],
)
def test_each_limit_says_what_is_short(seen: dict[str, Any], start: str, run: str):
    machine = replace(WELL, **seen)
    for said, expected in ((short_for_a_start(LIMITS, machine), start), (short_for_this_run(LIMITS, machine), run)):
        assert bool(said) is bool(expected)
        assert expected in said


def test_what_is_not_limited_is_never_short():
    poor = Machine(free_disk=0, free_memory=0, load=99.0, own_memory=10**12)
    free = Resources(free_disk_gb=None, free_memory_mb=None, load_per_cpu=None, run_memory_mb=None)
    assert short_for_a_start(free, poor) == short_for_this_run(free, poor) == ""


def test_this_machine_has_a_disk_and_takes_memory(tmp_path: Path):
    seen = look(tmp_path / "not" / "yet" / "there")
    assert seen.free_disk > 0
    assert 10 * MIB < seen.own_memory < 1_000 * GIB


def test_a_process_goes_behind_others_by_as_much_as_is_said_and_once():
    code = """
import os
from adce_assets.operate.machine import give_way
from adce_assets.restraints import Resources
before = os.getpriority(os.PRIO_PROCESS, 0)
for nice in (0, 7, 3, 7):
    give_way(Resources(nice=nice))
print(before, os.getpriority(os.PRIO_PROCESS, 0))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert after == max(before, 7)
