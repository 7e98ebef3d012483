"""Lives in, their ends out: a program that forks a process for each, and has imported everything.

For each line of JSON that it reads (lives that go on side by side) it waits for the ends and tells of them, as signals
(below 0) or statuses. It has lived a small life itself before: what is imported, compiled and kept in memory the first
time, no process that is born here has to do again. It has no threads of Python's, but libraries have some that sleep; a
process that is born without them and waits for one all the same is ended by its alarm.
"""

import gc
import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from adce_assets_tests.whole.mortal import Life, write_catalogue, write_contract

NOWHERE = "http://127.0.0.1:9"


def live_a_small_life() -> None:
    """Go round the loop once, with a source that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("inventory", "lake"):
            (home / name).mkdir()
        write_contract(home, {"things": ["a"], "others": ["b"]})
        write_catalogue(home, NOWHERE)
        Life(home, (home / "lake").as_uri(), f"sqlite:///{home}/ledger.sqlite", "first").live()
    gc.collect()
    gc.freeze()


def born(line: str) -> int:
    """Fork a process that writes what is open in the end of its life beside the installation."""
    pid = os.fork()
    if not pid:
        os._exit(_lived(line))
    return pid


def _lived(line: str) -> int:
    try:
        life = Life.read(line)
        signal.alarm(life.longest_s)  # which ends it wherever it hangs
        (life.home / f"{life.name}.json").write_text(json.dumps(life.live()))
    except BaseException:  # noqa: BLE001 - the boundary of a process that must never come back from here
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Let as many processes live together as a line has lives; tell how each ended."""
    signal.alarm(Life.longest_s)
    live_a_small_life()
    signal.alarm(0)
    for line in sys.stdin:
        pids = [born(json.dumps(told)) for told in json.loads(line)]
        ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        sys.stdout.write(f"{json.dumps(ends)}\n")
        sys.stdout.flush()
    os._exit(0)  # what is frozen is not put away, and DuckDB would say so


if __name__ == "__main__":
    main()
