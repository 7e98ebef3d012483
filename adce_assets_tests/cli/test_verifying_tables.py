"""`adce verify diff`: what it says of two tables, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adce_assets.cli.verifying_tables import diff
from adce_assets.errors import ConfigurationError

SAME, ERROR, DIFFERENT = 0, 1, 2


@pytest.fixture
def tables(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "left.csv").write_text('id,name,minutes\n1,Jokić,34.10\n2,"",12\n3,a,1\n4,b,2\n')
    (tmp_path / "right.csv").write_text("minutes,id,name\n34.1,1,Jokić\n12.02,2,\n1,3,a \n5,5,c\n1,3,a\n")
    return str(tmp_path / "left.csv"), str(tmp_path / "right.csv")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(diff, arguments, catch_exceptions=False)


def test_what_differs_is_shown_so_that_it_can_be_told_apart(tables: tuple[str, str]):
    result = run(*tables, "--key", "id", "--type", "minutes=decimal")

    assert result.exit_code == DIFFERENT
    assert [line.split("  ") for line in result.stdout.splitlines()] == [
        part.split("  ")
        for part in (
            "difference       key  column   left    right",
            "exclusive left   4    -        1 row   0 rows",
            "exclusive right  5    -        0 rows  1 row",
            "changed          2    minutes  12      12.02",
            'changed          2    name     ""      NULL',
            "duplicated       3    -        1 row   2 rows",
        )
    ]
    assert "4 keys differ: 1 only on the left, 1 only on the right, 1 changed, 1 more often" in result.stderr


def test_json_has_all_of_it(tables: tuple[str, str]):
    result = run(*tables, "--key", "id", "--type", "minutes=decimal", "--tolerance", "minutes=0.02", "--json")

    document = json.loads(result.stdout)
    assert (document["schema"], document["equal"], document["key"]) == (1, False, ["id"])
    assert document["differing"] == {"exclusive_left": 1, "exclusive_right": 1, "changed": 1, "duplicated": 1}
    assert [row["column"] for row in document["rows"] if row["kind"] == "changed"] == ["name"]
    assert (document["left"]["rows"], document["right"]["rows"]) == (4, 5)
    assert document["left"]["hash"].startswith("v1:")
    assert result.exit_code == DIFFERENT


def test_it_says_when_not_all_is_named(tables: tuple[str, str]):
    result = run(*tables, "--key", "id", "--type", "minutes=decimal", "--most", "2")

    assert len(result.stdout.splitlines()) == 3
    assert "named are 2 of 4 keys" in result.stderr


def test_equal_tables_end_with_zero(tables: tuple[str, str]):
    result = run(tables[0], tables[0], "--key", "id")

    assert (result.exit_code, result.stdout) == (SAME, "")
    assert "the same rows" in result.stderr


def test_columns_may_be_left_out(tables: tuple[str, str]):
    result = run(*tables, "--key", "id", "--without", "name", "--without", "minutes", "--json")

    assert json.loads(result.stdout)["differing"]["changed"] == 0


def test_a_tolerance_is_told_where_it_was_needed(tmp_path: Path):
    for name, value in (("left", "1.00"), ("right", "1.01")):
        (tmp_path / f"{name}.csv").write_text(f"id,n\n1,{value}\n")

    places = (str(tmp_path / "left.csv"), str(tmp_path / "right.csv"), "--key", "id", "--type", "n=decimal")
    assert run(*places).exit_code == DIFFERENT
    result = run(*places, "--tolerance", "n=0.01")
    assert result.exit_code == SAME
    assert "within the tolerances" in result.stderr


def test_bytes_count_where_they_are_asked_for(tmp_path: Path):
    for name, value in (("left", "Joki\u0107"), ("right", "Jokic\u0301")):
        (tmp_path / f"{name}.csv").write_text(f"id,n\n1,{value}\n")

    places = (str(tmp_path / "left.csv"), str(tmp_path / "right.csv"), "--key", "id")
    assert run(*places).exit_code == SAME
    result = run(*places, "--type", "n=bytes")
    assert result.exit_code == DIFFERENT
    assert r'"Jokic\u0301"' in result.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tolerance", "minutes"), "`minutes` is not `column=value`"),
        (("--tolerance", "minutes=few"), "a tolerance is a number"),
        (("--type", "minutes=money"), "`money` is no type; valid: text, bytes, integer"),
        (("--type", "name=text", "--type", "name=bytes"), "named twice"),
        (("--most", "0"), "not in the range"),
    ],
)
def test_a_faulty_option_is_told(tables: tuple[str, str], options: tuple[str, ...], says: str):
    result = run(*tables, "--key", "id", *options)

    assert result.exit_code == ERROR + 1  # click's own; `adce` makes it 1
    assert says in result.stderr


def test_a_column_that_is_not_there_is_told(tables: tuple[str, str]):
    with pytest.raises(ConfigurationError, match="there is no column `nobody`"):
        run(*tables, "--key", "id", "--without", "nobody")
