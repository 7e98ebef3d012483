"""What each worker counted in, and what was counted apart from it: whether every record is accounted for.

Plain numbers come in, taken from the warehouse by `evidence`, and checks go out. Nobody's own tally is believed alone:
what was read is held against the count that was taken of the documents before and apart from the readers, what was
refused against the records that were set aside, what was staged against the rows of the staging table, and the sums of
the workers against what the run counted itself.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adce_assets.verify.checks import Answer, Cell, Check, Kind, Level, Question, Row, Severity, check, key_text, oldest
from adce_assets.warehouse.counting import UNREADABLE
from adce_assets.warehouse.rules_config import SetAside
from adce_assets.warehouse.tables import COUNTS as NUMBERS

REFUSED = ("errored", "deduplicated", "rejected")
"""What is set aside, each with a reason."""
UNREAD, REPEATED = "unreadable", "repeated"
"""What else is told of records set aside: a document that is none, and a record that another object has, too."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a worker says of an object that it finished."""

    worker: str
    source: str
    object_key: str
    read: int
    processed: int
    errored: int
    deduplicated: int
    staged: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Counted:
    """All that was counted of a run.

    Attributes:
        source: Records of each document, by source and object, counted apart from the readers.
        tallies: What the workers say.
        staged: Rows of the staging table, by worker and object.
        refused: Records that were set aside, by worker, object and kind.
        aside: The same by object alone, with `UNREAD` and `REPEATED` told apart from the errored and the rejected.
        run: What the run counted itself.
        final: Rows of the final table, by source.
        written_at: When the objects were written, as far as that is known.
    """

    source: Mapping[str, Mapping[str, int]]
    tallies: Sequence[Tally]
    staged: Mapping[tuple[str, str], int]
    refused: Mapping[tuple[str, str, str], int]
    run: Mapping[str, int]
    final: Mapping[str, int]
    aside: Mapping[tuple[str, str], int] = field(default_factory=dict)
    written_at: Mapping[str, datetime] = field(default_factory=dict)


NOTHING = Counted({}, (), {}, {}, {}, {})


@dataclass(frozen=True, slots=True)
class _Sides:
    """Two numbers of an object at a worker that should be equal."""

    worker: str
    object_key: str
    expected: int
    actual: int


Numbers = Callable[[Tally], int]


def balance(cell: Cell, counted: Counted, allowed: Mapping[str, SetAside]) -> list[Check]:
    """Hold all counts of a run against each other, of each object, each worker and the run.

    Args:
        cell: What is reconciled.
        counted: The numbers.
        allowed: How many records may be errored and rejected, and what more of them mean.
    """
    return [
        *_source_read(cell, counted),
        *_by_worker(cell, counted),
        *_run_totals(cell, counted),
        *_set_aside(cell, counted, allowed),
        *_staged_final(cell, counted),
    ]


def _source_read(cell: Cell, counted: Counted) -> Iterator[Check]:
    read: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for tally in counted.tallies:
        read[tally.source][tally.object_key] += tally.read
    for source in sorted(counted.source.keys() | read.keys()):
        expected, actual = counted.source.get(source, {}), read[source]
        sides = [_Sides("", key, expected.get(key, 0), actual[key]) for key in sorted(expected.keys() | actual.keys())]
        untouched = {tally.object_key for tally in counted.tallies}
        unread = [side for side in sides if side.expected == side.actual == 0 and side.object_key not in untouched]
        yield _compared(cell, Level.SOURCE_READ, "records", [*_unequal(sides), *unread], sides, counted, source=source)


def _by_worker(cell: Cell, counted: Counted) -> Iterator[Check]:
    """Ask each identity of each worker, and then of all of them together."""
    workers = sorted({tally.worker for tally in counted.tallies} | {worker for worker, _ in counted.staged})
    for level, name, sides in _identities(counted):
        for worker in workers:
            of_worker = [side for side in sides if side.worker == worker]
            yield _compared(cell, level, name, _unequal(of_worker), of_worker, counted, worker=worker)
        yield _compared(cell, level, f"{name}, every worker", _by_object(sides), sides, counted)


def _unequal(sides: Iterable[_Sides]) -> list[_Sides]:
    return [side for side in sides if side.expected != side.actual]


def _by_object(sides: Sequence[_Sides]) -> list[_Sides]:
    """Add up of every object of which something differs what its workers say: who did what is chance."""
    wrong = {side.object_key for side in _unequal(sides)}
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for side in (side for side in sides if side.object_key in wrong):
        sums[side.object_key][0] += side.expected
        sums[side.object_key][1] += side.actual
    return [_Sides("", key, *both) for key, both in sums.items()]


def _identities(counted: Counted) -> Iterator[tuple[Level, str, list[_Sides]]]:
    def ended(tally: Tally) -> int:
        return tally.processed + tally.errored + tally.deduplicated

    def kept(tally: Tally) -> int:
        return tally.staged + tally.rejected

    tallies = counted.tallies
    yield Level.READ_PROCESSED, "read = processed + errored + deduplicated", _within(tallies, _read, ended)
    yield Level.PROCESSED_STAGED, "processed = staged + rejected", _within(tallies, _processed, kept)
    yield Level.PROCESSED_STAGED, "staged = rows of staging", _against(tallies, _staged, counted.staged)
    for kind in REFUSED:
        level = Level.PROCESSED_STAGED if kind == "rejected" else Level.READ_PROCESSED
        aside = {(worker, key): many for (worker, key, what), many in counted.refused.items() if what == kind}
        yield (
            level,
            f"{kind} = records set aside",
            _against(tallies, lambda tally, kind=kind: getattr(tally, kind), aside),
        )


def _read(tally: Tally) -> int:
    return tally.read


def _processed(tally: Tally) -> int:
    return tally.processed


def _staged(tally: Tally) -> int:
    return tally.staged


def _within(tallies: Iterable[Tally], expected: Numbers, actual: Numbers) -> list[_Sides]:
    return [_Sides(tally.worker, tally.object_key, expected(tally), actual(tally)) for tally in tallies]


def _against(tallies: Iterable[Tally], said: Numbers, there: Mapping[tuple[str, str], int]) -> list[_Sides]:
    told: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        told[tally.worker, tally.object_key] += said(tally)
    return [_Sides(*place, told[place], there.get(place, 0)) for place in sorted(told.keys() | there.keys())]


def _compared(
    cell: Cell,
    level: Level,
    name: str,
    wrong: Iterable[_Sides],
    sides: Sequence[_Sides],
    counted: Counted,
    *,
    source: str = "",
    worker: str = "",
) -> Check:
    """Tell what differs of pairs of numbers, and their sums; what cancels out in two objects is told, too."""
    expected, actual = sum(max(side.expected, 0) for side in sides), sum(side.actual for side in sides)
    rows = [_row(side, counted.written_at.get(side.object_key)) for side in sorted(wrong, key=_order)]
    said = f"{expected} and {actual} are the same, object by object"
    if rows:
        said = f"{expected} expected, {actual} found; {len(rows)} object(s) differ"
    answer = Answer(str(expected), str(actual), str(actual - expected), said, rows, since=oldest(rows))
    return check(cell, Question(Kind.COUNT, level, name, source, worker), answer)


def _order(side: _Sides) -> tuple[str, int, int]:
    return side.object_key, side.expected, side.actual


def _row(side: _Sides, written_at: datetime | None) -> Row:
    kind = "differs" if side.actual and side.expected > 0 else "lost" if side.expected >= side.actual else "surplus"
    expected = "unreadable" if side.expected == UNREADABLE else str(side.expected)
    return Row(key_text({"OBJECT_KEY": side.object_key}), kind, "", expected, str(side.actual), written_at)


def _run_totals(cell: Cell, counted: Counted) -> Iterator[Check]:
    """Hold the sums of the workers against what the run counted: each of the six numbers by itself."""
    sums = {name: sum(getattr(tally, name) for tally in counted.tallies) for name in NUMBERS}
    wrong = [name for name in NUMBERS if counted.run.get(name) != sums[name]]
    rows = [
        Row(key_text({"number": name}), "differs", name, str(counted.run.get(name)), str(sums[name])) for name in wrong
    ]
    apart = sum(abs(counted.run.get(name, 0) - sums[name]) for name in NUMBERS)
    said = f"the workers' sums differ in {', '.join(wrong)}" if wrong else "the workers' sums are the run's"
    question = Question(Kind.COUNT, Level.PROCESSED_STAGED, "sums over workers = the run's")
    yield check(cell, question, Answer(_listed(counted.run), _listed(sums), str(apart), said, rows))


def _set_aside(cell: Cell, counted: Counted, allowed: Mapping[str, SetAside]) -> Iterator[Check]:
    """Tell how many records are no rows: they are accounted for, and yet what was published of them is gone."""
    none, told = SetAside(), SetAside(severity="warning")
    yield _none_of(cell, counted, Level.READ_PROCESSED, UNREAD, none)
    yield _none_of(cell, counted, Level.READ_PROCESSED, "errored", allowed.get("errored", none))
    yield _none_of(cell, counted, Level.PROCESSED_STAGED, "rejected", allowed.get("rejected", none))
    yield _none_of(cell, counted, Level.PROCESSED_STAGED, REPEATED, told)


def _none_of(cell: Cell, counted: Counted, level: Level, kind: str, allowed: SetAside) -> Check:
    aside = [(key, many) for (key, what), many in sorted(counted.aside.items()) if what == kind and many]
    total = sum(many for _, many in aside)
    rows = [
        Row(key_text({"OBJECT_KEY": key}), "differs", "", "0", str(many), counted.written_at.get(key))
        for key, many in aside
    ]
    answer = Answer(
        expected=f"at most {allowed.most}" if allowed.most else "0",
        actual=str(total),
        discrepancy=str(max(total - allowed.most, 0)),
        message=f"{total} record(s) of {len(aside)} object(s) are {kind}" if total else f"none is {kind}",
        rows=rows if total > allowed.most else [],
        since=oldest(rows),
    )
    return check(cell, Question(Kind.COUNT, level, f"no record {kind}", severity=Severity(allowed.severity)), answer)


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {numbers.get(name, 0)}" for name in NUMBERS)


def _staged_final(cell: Cell, counted: Counted) -> Iterator[Check]:
    """Count what came all the way: as many rows as were staged, and as the source has without those set aside."""
    sources = {tally.object_key: tally.source for tally in counted.tallies}
    staged, aside = Counter[str](), Counter[str]()
    for (_, object_key), many in counted.staged.items():
        staged[object_key] += many
    for (_, object_key, _kind), many in counted.refused.items():
        aside[object_key] += many
    for source in sorted({*sources.values(), *counted.final, *counted.source}):
        documents, final = counted.source.get(source, {}), counted.final.get(source, 0)
        kept = {key: many - aside[key] for key, many in documents.items() if many != UNREADABLE}
        own = {key for key in staged if sources.get(key, source) == source}
        sides = [_Sides("", key, kept.get(key, 0), staged[key]) for key in sorted(kept.keys() | own)]
        wrong = [_row(side, counted.written_at.get(side.object_key)) for side in sides if side.expected != side.actual]
        total = sum(staged[key] for key in own)
        yield _totals(cell, Level.STAGED_FINAL, source, total, final, ())
        yield _totals(cell, Level.SOURCE_FINAL, source, sum(kept.values()), final, wrong if final == total else ())


def _totals(cell: Cell, level: Level, source: str, expected: int, actual: int, rows: Sequence[Row]) -> Check:
    """Compare with the final table, of whose rows only the whole is known: ``rows`` are of what went before it."""
    answer = Answer(
        expected=str(expected),
        actual=str(actual),
        discrepancy=str(actual - expected),
        message=f"{expected} expected, {actual} in the final table",
        rows=rows,
        since=oldest(rows),
        holds=expected == actual,
    )
    return check(cell, Question(Kind.COUNT, level, "rows", source), answer)
