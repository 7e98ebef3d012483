"""Whatever single thing is changed in the database behind the ledger's back, it is found; alike in both databases."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from adce_assets.errors import LedgerError
from adce_assets.ledger.book import Ledger
from adce_assets.ledger.chain import Head, digest
from adce_assets.ledger.database import entries, head, keys
from adce_assets.ledger.proving import check
from adce_assets.ledger.verifying import verified
from adce_assets.progress import silent
from adce_assets_tests.examples import examples
from adce_assets_tests.ledger.conftest import happened

WAYS = {
    "a": ("detected", "planned", "leased", "fetched", "staged", "audited", "promoted", "seen", "closed", "reopened"),
    "b": ("detected", "leased", "failed", "planned", "leased", "failed", "dead_lettered"),
    "c": ("detected", "withdrawn", "detected", "tombstoned", "tombstoned", "seen", "closed"),
    "d": ("detected",),
}
ENTRIES = sum(map(len, WAYS.values()))
TEXTS = ("at", "key", "event", "source", "data_type", "season", "run", "task", "detail", "hash")
OF_A_KEY = ("source", "data_type", "season", "state", "hash", "since", "run", "task", "detail", "detected_at")
TABLES = (entries, keys, head)

MOMENT = "2025-01-15T12:00:00.000000+00:00"
Tampered = Callable[..., None]

numbers = st.integers(1, ENTRIES)
values = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from([*WAYS, *WAYS["a"], "", "{}", "[]", "null", "0" * 64, MOMENT]),
    st.sampled_from(["2025-01-15T12:00:00Z", "2025-01-15T12:00:00", '{"until": null}', "[" * 100_000]),
)


def told() -> list[Any]:
    """Tell of four keys whose events come in turns."""
    longest = max(map(len, WAYS.values()))
    return [
        happened(way[step], key, why=f"step {step}")
        for step in range(longest)
        for key, way in WAYS.items()
        if step < len(way)
    ]


@pytest.fixture
def whole(ledger: Ledger) -> Ledger:
    """A ledger of four keys."""
    assert ledger.append(told()).entries == ENTRIES
    return ledger


@contextmanager
def tampering(ledger: Ledger, tampered: Tampered, *changes: sa.Executable) -> Iterator[None]:
    """Change the database for as long as the block lasts; a change that changes nothing is not looked at."""
    before = rows(ledger)
    tampered(*changes)
    try:
        assume(rows(ledger) != before)
        yield
    finally:
        tampered(*(table.delete() for table in TABLES))
        tampered(*(table.insert().values(list(map(tuple, kept))) for table, kept in zip(TABLES, before, strict=True)))


def rows(ledger: Ledger) -> list[list[sa.Row[Any]]]:
    with ledger._database.read() as connection:
        return [sorted(connection.execute(sa.select(table)).all(), key=str) for table in TABLES]


def edited(number: int, column: str, value: str) -> sa.Executable:
    return entries.update().where(entries.c.seq == number).values({column: value})


def removed(number: int) -> sa.Executable:
    return entries.delete().where(entries.c.seq == number)


def moved(number: int, to: int) -> sa.Executable:
    return entries.update().where(entries.c.seq == number).values(seq=to)


def swapped(one: int, other: int) -> tuple[sa.Executable, ...]:
    return moved(one, -1), moved(other, one), moved(-1, other)


def again(number: int) -> sa.Executable:
    columns = [sa.literal(ENTRIES + 1), *(entries.c[name] for name in TEXTS)]
    return entries.insert().from_select(("seq", *TEXTS), sa.select(*columns).where(entries.c.seq == number))


def of_a_key(key: str, column: str, value: object) -> sa.Executable:
    return keys.update().where(keys.c.key == key).values({column: value})


some_key = st.sampled_from(list(WAYS))
one_change = st.one_of(
    st.builds(edited, numbers, st.sampled_from(TEXTS), values),
    st.builds(removed, numbers),
    st.builds(moved, numbers, st.sampled_from([-1, 0, ENTRIES + 1, ENTRIES + 2])),
    st.builds(again, numbers),
    st.builds(of_a_key, some_key, st.sampled_from(OF_A_KEY), values),
    st.builds(of_a_key, some_key, st.sampled_from(["failures", "probes", "seq"]), st.integers(0, 100)),
    st.builds(of_a_key, some_key, st.just("lease_until"), values),
    st.builds(of_a_key, some_key, st.just("key"), st.just("e")),
    some_key.map(lambda key: keys.delete().where(keys.c.key == key)),
    st.sampled_from(["hash", "at"]).map(lambda name: head.update().values({name: "x"})),
    st.integers(0, 100).map(lambda seq: head.update().values(seq=seq)),
).map(lambda change: (change,)) | st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1]).map(
    lambda pair: swapped(*pair)
)
same_ledger = settings(
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_a_ledger_that_nobody_touched_is_whole(whole: Ledger):
    stages: list[tuple[int, int | None]] = []

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        assert (stage, note) == ("verify", "")
        stages.append((done, total))

    found = whole.verify(progress=progress)
    assert (found.entries, found.checked, found.faults) == (ENTRIES, ENTRIES, ())
    assert stages[-1] == (ENTRIES, ENTRIES)


def test_an_empty_ledger_is_whole(ledger: Ledger):
    assert (ledger.verify().faults, ledger.verify(sample=0.5).entries) == ((), 0)


@same_ledger
@given(changes=one_change)
@example(changes=(removed(ENTRIES),))
@example(changes=(removed(1),))
@example(changes=(head.delete(),))
@example(changes=(entries.delete(),))
@example(changes=swapped(ENTRIES - 1, ENTRIES))
def test_any_single_change_is_found(whole: Ledger, tampered: Tampered, changes: tuple[sa.Executable, ...]):
    with tampering(whole, tampered, *changes):
        assert whole.verify().faults
        assert whole.verify(sample=1).faults


@same_ledger
@given(number=numbers, why=st.text(st.characters(codec="ascii", exclude_characters="\0")))
def test_a_change_that_is_hashed_anew_is_found_at_the_next_entry(
    whole: Ledger, tampered: Tampered, number: int, why: str
):
    way = whole.entries(told()[number - 1].key)
    at = [entry.seq for entry in way].index(number)
    assume({"why": why} != way[at].detail)
    texts = (MOMENT, way[at].key, way[at].event.value, "espn", "pbp", "2024-25", "run-1", "task-1")
    detail = json.dumps({"why": why}, separators=(",", ":"))
    own = digest(number, way[at].before, way[at - 1].hash if at else "", texts, detail)
    changed = {"detail": detail, "hash": own}
    with tampering(
        whole,
        tampered,
        entries.update().where(entries.c.seq == number).values(changed),
        keys.update().where(keys.c.seq == number).values(changed),
    ):
        assert whole.verify().faults


def faults_after(ledger: Ledger, *changes: sa.Executable) -> Sequence[Any]:
    """Verify a ledger as it is after changes that are then taken back."""
    database = ledger._database
    with database._engine.connect() as connection:
        for change in changes:
            connection.execute(change)
        return verified(database, connection, sample=None, seed=0, once=(), progress=silent).faults


def test_every_single_entry_that_is_edited_removed_or_moved_is_found(whole: Ledger):
    everyone = range(1, ENTRIES + 1)
    changes = [(edited(number, column, "x"),) for number in everyone for column in TEXTS]
    changes += [(removed(number),) for number in everyone]
    changes += [swapped(number, other) for number in everyone for other in {number % ENTRIES + 1, 13} - {number}]
    assert [str(change) for change in changes if not faults_after(whole, *change)] == []
    assert faults_after(whole) == ()


def test_a_fault_names_the_entry_and_its_key(whole: Ledger, tampered: Tampered):
    tampered(edited(6, "run", "another"))
    (fault,) = whole.verify().faults
    assert (fault.seq, fault.key) == (6, told()[5].key)
    assert "not what was written" in fault.what


def test_a_sample_finds_that_an_entry_is_missing_wherever_it_was(whole: Ledger, tampered: Tampered):
    tampered(removed(13))
    found = whole.verify(sample=0.01)
    assert any("24 entries where 25 were written" in fault.what for fault in found.faults)


def test_samples_find_what_was_changed_as_often_as_they_look(ledger: Ledger, tampered: Tampered):
    ledger.append(happened("detected", f"{number}") for number in range(40))
    tampered(edited(7, "run", "another"))
    found = [ledger.verify(sample=0.025 * 10, seed=seed) for seed in range(60)]
    assert {one.checked for one in found} == {10}
    assert 5 <= sum(bool(one.faults) for one in found) <= 25


def test_the_same_seed_looks_at_the_same_entries(ledger: Ledger, tampered: Tampered):
    ledger.append(happened("detected", f"{number}") for number in range(40))
    tampered(entries.update().values(run="x"))
    assert ledger.verify(sample=0.2, seed=3) == ledger.verify(sample=0.2, seed=3)
    assert ledger.verify(sample=0.2, seed=3) != ledger.verify(sample=0.2, seed=4)


def test_a_proof_holds_without_the_ledger(whole: Ledger):
    proof = whole.prove("b")
    document = json.loads(json.dumps(proof.to_document()))
    assert (proof.faults, check(document)) == ((), ())
    assert [entry["event"] for entry in document["entries"]] == list(WAYS["b"])
    assert (document["state"], document["head"]["seq"]) == ("dead_lettered", ENTRIES)


def test_of_a_key_that_nothing_is_known_of_nothing_is_proved(whole: Ledger):
    with pytest.raises(LedgerError, match="nothing is known of `z`"):
        whole.prove("z")


@pytest.mark.parametrize(
    "change",
    [
        edited(8, "detail", '{ "why":"step 2"}'),
        edited(8, "detail", "no JSON"),
        edited(8, "at", "yesterday"),
        edited(8, "event", "guessed"),
        removed(8),
        removed(7),
        of_a_key("a", "state", "closed"),
        keys.delete(),
    ],
)
def test_a_proof_tells_what_was_changed_and_can_be_written_down_all_the_same(
    whole: Ledger, tampered: Tampered, change: sa.Executable
):
    tampered(change)
    proof = whole.prove("a")
    assert proof.faults
    json.dumps(proof.to_document())


def positions(document: Any, path: Sequence[Any] = ()) -> list[Sequence[Any]]:
    """List the ways to every value of a document but its own list of faults."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    found: list[Sequence[Any]] = []
    for name, value in items:
        inner = isinstance(value, dict | list) and value
        found += positions(value, (*path, name)) if inner else [(*path, name)]
    return [place for place in found if place[0] not in {"faults", "head"}]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from adce_assets.ledger.book import open_ledger

    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('proof')}/ledger.sqlite")
    ledger.append(told())
    proof = ledger.prove("b").to_document()
    ledger.dispose()
    return proof


@given(data=st.data(), value=st.one_of(values, st.none(), st.integers(), st.just({}), st.just([])))
def test_a_proof_in_which_anything_was_changed_does_not_hold(document: Any, data: st.DataObject, value: Any):
    changed = json.loads(json.dumps(document))
    path = data.draw(st.sampled_from(positions(document)))
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    assume(inner[path[-1]] != value)
    inner[path[-1]] = value
    assert refused(changed)


def refused(document: Any) -> bool:
    try:
        return bool(check(document))
    except LedgerError as error:
        return "no proof" in str(error)


@given(order=st.permutations(range(len(WAYS["b"]))), kept=st.integers(1, len(WAYS["b"])))
def test_a_proof_from_which_entries_were_taken_or_moved_does_not_hold(document: Any, order: list[int], kept: int):
    assume(order[:kept] != sorted(order))
    changed = document | {"entries": [document["entries"][number] for number in order[:kept]]}
    assert check(changed)


def test_a_proof_that_somebody_made_up_does_not_fit_what_was_kept(whole: Ledger):
    real = whole.prove("b")
    kept = [Head(one.seq, one.hash, None) for one in real.written]
    assert [check(real.to_document(), one) for one in kept] == [()] * len(kept)
    cut = real.to_document()
    cut["head"] = {"seq": kept[-3].seq, "hash": kept[-3].hash, "at": None}
    cut["entries"], cut["state"] = cut["entries"][:-2], "failed"
    assert check(cut) == check(cut, kept[0]) == check(cut, kept[-3])
    (fault,) = check(cut, kept[-1])
    assert (fault.seq, "cannot be compared" in fault.what) == (kept[-1].seq, True)
    forged = real.to_document()
    forged["head"] |= {"hash": "f" * 64}
    assert [fault.what for fault in check(forged, whole.head())] == ["it is not the one that was kept"]


def test_a_ledger_that_was_written_anew_is_found_by_a_head_that_was_kept(
    whole: Ledger, opened: Callable[[str], Ledger], tmp_path: Path
):
    kept, other = whole.head(), opened(f"sqlite:///{tmp_path}/other.sqlite")
    other.append([*told()[:-1], happened("detected", "e")])
    assert whole.verify(kept=[kept]).faults == other.verify().faults == ()
    (fault,) = other.verify(sample=0.1, kept=[kept]).faults
    assert (fault.seq, "the last one when its number" in fault.what) == (kept.seq, True)


def test_a_ledger_that_was_cut_off_is_found_by_a_head_that_was_kept(
    whole: Ledger, opened: Callable[[str], Ledger], tmp_path: Path
):
    older = opened(f"sqlite:///{tmp_path}/older.sqlite")
    older.append(told()[:10])
    assert older.verify(kept=[older.head()]).faults == ()
    assert [fault.seq for fault in older.verify(kept=[whole.head()]).faults] == [ENTRIES]


@pytest.mark.parametrize("detail", [float("nan"), {"deep": [float("inf")]}])
def test_a_number_that_is_none_is_no_proof(document: Any, detail: Any):
    hostile = json.loads(json.dumps(document))
    hostile["entries"][0]["detail"] = detail
    with pytest.raises(LedgerError, match="this is no proof of a key"):
        check(hostile)


def test_a_fault_that_a_proof_tells_of_itself_stays_one(whole: Ledger, tampered: Tampered):
    tampered(of_a_key("a", "state", "closed"))
    assert check(whole.prove("a").to_document()) == whole.prove("a").faults


@pytest.mark.parametrize("given", [{}, {"schema": 2}, {"schema": 1, "key": "k", "entries": [1]}])
def test_what_is_no_proof_is_refused(given: dict[str, Any]):
    with pytest.raises(LedgerError, match="this is no proof of a key"):
        check(given)
