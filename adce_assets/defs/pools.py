"""Hosts in, Dagster's pools out: how many runs ask a host at once.

A pool keeps runs in the queue, where urgent ones overtake them; it is no limit of requests. Those of a host are shared
by all of its runs, whatever their number, and its lanes have a meaning only while runs of both are under way: the pool
of a host therefore has room for several. How a queue is cut into runs stands in ``loop``.
"""

from collections.abc import Iterable

import dagster as dg

PROGRAMS = "programs"
"""The pool of all runs that start programs."""
RUNS_OF_A_HOST = 5
"""One of history, two of backfills (`dagster.yaml` lets no more run), and two of what has just come due."""


def pool_of(host: str) -> str:
    """Name the pool of a host, or of those who ask none: the programs."""
    return f"host_{host}" if host else PROGRAMS


def make_room(instance: dg.DagsterInstance, hosts: Iterable[str]) -> None:
    """Give the pool of each host room for `RUNS_OF_A_HOST`, unless a person has said how much it has.

    `dagster.yaml` knows one limit for all pools; the others need the one that it names.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    said = {pool.name for pool in storage.get_pool_limits() if not pool.from_default}
    for pool in sorted({pool_of(host) for host in hosts if host} - said):
        storage.set_concurrency_slots(pool, RUNS_OF_A_HOST)
