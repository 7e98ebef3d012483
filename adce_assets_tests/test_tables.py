"""Relations are laid out and compiled once in a process, and still say what the tables and moments at hand say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ibis.backends.sql import SQLBackend

from adce_assets.errors import LakeError
from adce_assets.loop import coverage, inventory
from adce_assets.tables import engine, laid_out_once, lend, let, read_orc, write_parquet
from adce_assets_tests.loop import hoops

if TYPE_CHECKING:
    from adce_assets_tests.conftest import Workshop

NOON = datetime(2024, 1, 29, 12, tzinfo=UTC)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[ir.Expr]:
    """Note what is compiled."""
    found: list[ir.Expr] = []
    compile_it = SQLBackend.compile

    def noting(self: SQLBackend, expr: ir.Expr, /, **options: Any) -> str:
        found.append(expr)
        return compile_it(self, expr, **options)

    monkeypatch.setattr(SQLBackend, "compile", noting)
    return found


class Doubling:
    """Lays out twice the numbers of a table, with others if there are some, and counts how often."""

    def __init__(self) -> None:
        self.times = 0
        self.of = laid_out_once(self._lay_out)

    def _lay_out(self, table: ir.Table, *others: int) -> ir.Table:
        self.times += 1
        return table.mutate(twice=table.number * 2).filter(~table.number.isin(others))


def numbers(*values: int, name: str = "number") -> pa.Table:
    return pa.table({name: pa.array(values, pa.int64())})


def test_alike_tables_are_laid_out_and_compiled_once_and_each_gives_its_own_rows(compiled: list[ir.Expr]):
    doubling, found = Doubling(), []
    for values in ((1, 2), (3,), ()):
        with engine() as backend:
            relation = doubling.of(lend(backend, numbers(*values)))
            found.append(sorted(backend.to_pyarrow(relation)["twice"].to_pylist()))
    assert found == [[2, 4], [6], []]
    assert (doubling.times, len(compiled)) == (1, 1)


def test_other_columns_and_other_arguments_make_another_relation():
    doubling = Doubling()
    with engine() as backend:
        one, other = (
            lend(backend, numbers(1, 2)),
            lend(backend, numbers(1, 2).append_column("more", pa.array(["a", "b"]))),
        )
        assert doubling.of(one).columns == ("number", "twice")
        assert doubling.of(other).columns == ("number", "more", "twice")
        assert backend.to_pyarrow(doubling.of(one, 1))["twice"].to_pylist() == [4]
        assert backend.to_pyarrow(doubling.of(one, 2))["twice"].to_pylist() == [2]
    assert doubling.times == 4


def test_what_holds_rows_or_many_values_is_not_remembered(compiled: list[ir.Expr]):
    doubling, many = Doubling(), range(10_000)
    with engine() as backend:
        for value in (1, 2):
            rows = doubling.of(ibis.memtable(numbers(value)))
            assert backend.to_pyarrow(rows)["twice"].to_pylist() == [2 * value]
        table = lend(backend, numbers(-1))
        for _ in range(2):
            assert backend.to_pyarrow(doubling.of(table, *many))["twice"].to_pylist() == [-2]
    assert (doubling.times, len(compiled)) == (4, 4)


def test_a_moment_is_the_one_that_the_engine_was_given_last(compiled: list[ir.Expr]):
    behind = laid_out_once(lambda table, at: table.filter(table.at > at))
    times = pa.table({"at": pa.array([NOON, NOON + timedelta(hours=2)], pa.timestamp("us", "UTC"))})
    told = []
    for hours in (-1, 1, 3):
        with engine() as backend:
            relation = behind(lend(backend, times), let(backend, "now", NOON + timedelta(hours=hours, microseconds=1)))
            told.append(backend.to_pyarrow(relation).num_rows)
    assert told == [2, 1, 0]
    assert len(compiled) == 1


def test_a_moment_that_an_engine_was_never_given_is_no_silent_nothing():
    behind = laid_out_once(lambda table, at: table.filter(table.at > at))
    times = pa.table({"at": pa.array([NOON], pa.timestamp("us", "UTC"))})
    with engine() as backend:
        relation = behind(lend(backend, times), let(backend, "noon", NOON - timedelta(hours=1)))
        assert backend.to_pyarrow(relation).num_rows == 1

    def of_another() -> pa.Table:
        with engine() as another:
            lend(another, times)
            return another.to_pyarrow(relation)

    with pytest.raises(LakeError, match="`noon`"):
        of_another()


def test_an_option_that_the_engine_does_not_know_is_refused():
    with engine() as backend:
        table = lend(backend, numbers(1))
        with pytest.raises(TypeError, match="overwrite"):
            backend.create_table("kept", table, temp=True, overwrite=True)
        with pytest.raises(TypeError, match="overwrite"):
            backend.create_view("named", table, overwrite=True)


@ibis.udf.scalar.python
def tripled(number: int) -> int:
    return 3 * number


def test_a_function_of_ones_own_is_told_to_every_engine():
    tripling = laid_out_once(lambda table: table.mutate(thrice=tripled(table.number)))
    for value in (1, 2):
        with engine() as backend:
            relation = tripling(lend(backend, numbers(value)))
            for _ in range(2):
                assert backend.to_pyarrow(relation)["thrice"].to_pylist() == [3 * value]


def test_names_hold_whatever_a_path_or_a_column_may_hold(tmp_path: Path):
    odd = 'it\'s "odd" [1]'
    path = tmp_path / f"{odd}.parquet"
    pq.write_table(numbers(3, 1, name=odd), path)
    with engine() as backend:
        table = backend.create_table(odd, backend.read_parquet([path, path]), temp=True)
        view = backend.create_view(f"{odd} again", table.filter(table[odd] > 1))
        write_parquet(backend, view.order_by(odd), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {odd: [3, 3]}


def test_orc_is_read_like_any_table(tmp_path: Path):
    from pyarrow import orc

    orc.write_table(numbers(4, 5), tmp_path / "a.orc")
    with engine() as backend:
        assert read_orc(backend, [tmp_path / "a.orc"]).number.sum().to_pyarrow().as_py() == 9


def test_a_second_reconciliation_compiles_next_to_nothing(workshop: "Workshop", compiled: list[ir.Expr]):
    told = []
    for hours in (0, 5):
        project = workshop.project(hoops.CONTRACT, now=hoops.NOW + timedelta(hours=hours))
        for key in ("box/g0001.json", "pbp/g0002.json"):
            project.lake.put(key, b"{}".ljust(500))
        compiled.clear()
        inventory.take(project, mode="list")
        coverage.analyse(project)
        told.append(len(compiled))
    assert told[1] <= 3
