import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from adce_assets import documents
from adce_assets.errors import ConfigurationError, ContractError


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Station(Strict):
    height: Annotated[int, Field(ge=0)]
    kind: Literal["land", "sea"] = "land"
    notes: tuple[str, ...] = ()
    spare: "Station | None" = None


class Ship(Strict):
    means: Literal["ship"]
    knots: int


class Train(Strict):
    means: Literal["train"]
    wagons: Annotated[int, Field(ge=1)] = 1


class Network(Strict):
    version: Literal[1] = 1
    ways: dict[str, Annotated[Ship | Train, Field(discriminator="means")]] = {}
    stations: dict[Annotated[str, Field(pattern="^[a-z]+$")], Station] = {}


def write(folder: Path, text: str, name: str = "network.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        documents.load(Network, path)
    return caught.value


def test_a_file_becomes_a_model(tmp_path: Path):
    path = write(tmp_path, "stations:\n  oslo: {height: 94, notes: [a, 'b']}\n  bergen: {height: 12, kind: sea}\n")

    network = documents.load(Network, path)

    assert network == Network(
        stations={"oslo": Station(height=94, notes=("a", "b")), "bergen": Station(height=12, kind="sea")}
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "---\n"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, text: str):
    assert documents.load(Network, write(tmp_path, text)) == Network()


@pytest.mark.parametrize(
    ("station", "line", "field", "said"),
    [
        (
            "heigth: 9\nheight: 9",
            3,
            ".heigth",
            "unknown key; valid: height, kind, notes, spare; did you mean `height`?",
        ),
        ("height: 9\nkind: see", 4, ".kind", "`see` is not known; valid: land, sea; did you mean `sea`?"),
        ("kind: sea", 2, ".height", "is required"),
        ("height: -1", 3, ".height", "Input should be greater than or equal to 0"),
        ("height: high", 3, ".height", "Input should be a valid integer, unable to parse string as an integer"),
        ("height: 1\nnotes:\n- a\n- [b]", 6, ".notes.1", "Input should be a valid string"),
        (
            "height: 1\nspare:\n  hight: 2\n  height: 2",
            5,
            ".spare.hight",
            "unknown key; valid: height, kind, notes, spare; did you mean `height`?",
        ),
    ],
)
def test_a_fault_names_file_line_field_and_what_is_valid(
    tmp_path: Path, station: str, line: int, field: str, said: str
):
    path = write(tmp_path, "stations:\n  oslo:\n" + textwrap.indent(station, "    "))

    (fault,) = refusal(path).faults

    assert str(fault) == f"{path}:{line}: `stations.oslo{field}`: {said}"


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        (
            "version: 1\nstation: {}",
            2,
            "station",
            "unknown key; valid: stations, version, ways; did you mean `stations`?",
        ),
        ("stations:\n  Oslo: {height: 1}", 2, "stations.Oslo", "String should match pattern '^[a-z]+$'"),
        ("stations: [oslo]", 1, "stations", "Input should be a valid dictionary"),
    ],
)
def test_a_fault_of_a_section_is_named_likewise(tmp_path: Path, text: str, line: int, field: str, said: str):
    path = write(tmp_path, text)

    error = refusal(path)

    assert str(error) == f"1 fault(s) in {path}\n  {path}:{line}: `{field}`: {said}"


@pytest.mark.parametrize(
    ("way", "line", "field", "said"),
    [
        ("means: trian", 3, "means", "`trian` is not known; valid: ship, train; did you mean `train`?"),
        ("knots: 12", 2, "means", "is required"),
        ("means: ship", 2, "knots", "is required"),
        ("means: train\nwagons: 0", 4, "wagons", "Input should be greater than or equal to 1"),
        ("means: train\nwagon: 2", 4, "wagon", "unknown key; valid: means, wagons; did you mean `wagons`?"),
        ("means: ship\nknots: 1\nport: x", 5, "port", "unknown key; valid: knots, means"),
    ],
)
def test_a_fault_of_one_of_several_forms_tells_of_that_form(tmp_path: Path, way: str, line: int, field: str, said: str):
    path = write(tmp_path, "ways:\n  north:\n" + textwrap.indent(way, "    "))

    (fault,) = refusal(path).faults

    assert str(fault) == f"{path}:{line}: `ways.north.{field}`: {said}"


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path):
    path = write(tmp_path, "stations:\n  oslo: {height: x}\n  rome: {height: -2, colour: red}\n")

    assert [(fault.line, fault.field) for fault in refusal(path).faults] == [
        (2, "stations.oslo.height"),
        (3, "stations.rome.height"),
        (3, "stations.rome.colour"),
    ]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("version: 1\nversion: 1\n", 2, "the key `version` stands here twice"),
        ("stations:\n  oslo: {height: 1}\n  oslo: {height: 2}\n", 3, "the key `oslo` stands here twice"),
        ("a: 1\n2: b\n", 2, "the key `2` is not text"),
        ("a: 1\nyes: b\n", 2, "the key `yes` is not text"),
        ("? [a, b]\n: c\n", 1, "is not text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "the key `<<` is not text"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "the tag `tag:yaml.org,2002:python/object/apply:os.system`"),
        ("a: !!python/name:os.system ''\n", 1, "is not plain data"),
        ("a: !!binary aGk=\n", 1, "the tag `tag:yaml.org,2002:binary` is not plain data"),
        ("a: !!set {b}\n", 1, "is not plain data"),
        ("a: !mine b\n", 1, "the tag `!mine` is not plain data"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: b\n  c: d\n", 2, "not YAML"),
        ("a: *nowhere\n", 1, "not YAML: found undefined alias"),
        ("a: 1\n--- \nb: 2\n", 2, "not YAML"),
        ("a: '\x01'\n", 1, "not YAML"),
        ("- a\n- b\n", 1, "the file must hold a mapping"),
        ("just text\n", 1, "the file must hold a mapping"),
        ("a: 1\nb: 2024-13-41\n", 2, "no valid timestamp"),
        ("a: " + "9" * 5_000 + "\n", 1, "no valid int"),
    ],
)  # fmt: skip
def test_what_is_not_plain_yaml_is_refused_with_its_line(tmp_path: Path, text: str, where: int, what: str):
    path = write(tmp_path, text)

    error = refusal(path)

    assert str(error).startswith(f"{path}:{where}: ")
    assert what in error.what


def test_a_file_over_the_limit_of_size_is_not_even_read(tmp_path: Path):
    path = write(tmp_path, "#" * (documents.MAX_BYTES + 1))

    assert "too large" in str(refusal(path))


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    path = write(tmp_path, "\n".join(lines))

    assert "expands to too much" in str(refusal(path))


def test_an_alias_of_itself_is_refused(tmp_path: Path):
    assert "expands to too much" in str(refusal(write(tmp_path, "a: &a\n  b: *a\n")))


@pytest.mark.parametrize("piece", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(tmp_path: Path, piece: str):
    assert "nested too deeply" in str(refusal(write(tmp_path, "a:\n  " + piece * 100)))


def test_nesting_of_a_million_levels_does_not_crash_the_process(tmp_path: Path):
    path = write(tmp_path, "[" * 1_000_000)
    program = f"from pathlib import Path; from adce_assets import documents; documents.read(Path({str(path)!r}))"

    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert process.returncode == 1
    assert "nested too deeply" in process.stderr


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "network.yaml"
    path.write_bytes(b"version: 1\n# caf\xe9\n")

    assert "byte 16 is not UTF-8" in str(refusal(path))


def test_a_missing_file_is_named(tmp_path: Path):
    assert (
        str(refusal(tmp_path / "nowhere.yaml"))
        == f"{tmp_path / 'nowhere.yaml'}: cannot read the file: No such file or directory"
    )


def test_the_caller_chooses_the_class_of_error(tmp_path: Path):
    with pytest.raises(ContractError):
        documents.load(Network, write(tmp_path, "x: 1"), error=ContractError)


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    outcome = read_or_refusal(path)

    assert isinstance(outcome, dict) or str(path) in str(outcome)


def read_or_refusal(path: Path) -> dict[str, Any] | ConfigurationError:
    try:
        return documents.read(path).data
    except ConfigurationError as error:
        return error


def test_included_files_add_to_the_sections(tmp_path: Path):
    path = write(tmp_path, "include: [more/*.yaml]\nversion: 1\nstations:\n  oslo: {height: 94}\n")
    write(tmp_path, "stations:\n  bergen: {height: 12}\n", "more/b.yaml")
    write(tmp_path, "stations:\n  alta: {height: 3}\n", "more/a.yaml")

    assert list(documents.load(Network, path).stations) == ["oslo", "alta", "bergen"]


@pytest.mark.parametrize("head", ["", "stations:\n"])
def test_a_section_may_be_in_included_files_alone(tmp_path: Path, head: str):
    path = write(tmp_path, f"include: [more.yaml]\n{head}")
    write(tmp_path, "stations:\n  bergen: {height: 12}\n", "more.yaml")

    assert list(documents.load(Network, path).stations) == ["bergen"]


def test_a_fault_in_an_included_file_names_that_file(tmp_path: Path):
    path = write(tmp_path, "include: [more.yaml]\nstations:\n  oslo: {height: 94}\n")
    more = write(tmp_path, "# here\nstations:\n  bergen:\n    high: 1\n    height: 1\n", "more.yaml")

    (fault,) = refusal(path).faults

    assert (fault.file, fault.line, fault.field) == (str(more), 4, "stations.bergen.high")


def test_a_name_in_two_files_is_a_fault_that_names_both_places(tmp_path: Path):
    path = write(tmp_path, "include: [more.yaml]\nstations:\n  oslo: {height: 94}\n")
    more = write(tmp_path, "stations:\n  bergen: {height: 1}\n  oslo: {height: 95}\n", "more.yaml")

    (fault,) = refusal(path).faults

    assert str(fault) == f"{more}:3: `stations.oslo`: stands already in {path}:3"


@pytest.mark.parametrize("more", ["version: 1\n", "include: [network.yaml]\n", "stations: [oslo]\n"])
def test_an_included_file_may_only_hold_mappings_of_names(tmp_path: Path, more: str):
    path = write(tmp_path, "include: [more.yaml]\nversion: 1\n")
    write(tmp_path, more, "more.yaml")

    (fault,) = refusal(path).faults

    assert fault.message == "an included file may only hold mappings of names"


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("[nowhere/*.yaml]", "names no file"),
        ("[../network.yaml]", "is not a name in or below the folder of this file"),
        ("[a/../../network.yaml]", "is not a name in or below the folder of this file"),
        ("[/etc/passwd]", "is not a name in or below the folder of this file"),
        ("['']", "is not a name in or below the folder of this file"),
        (r'["a\0b"]', "is not a name in or below the folder of this file"),
        ("more.yaml", "must be a list of file names"),
        ("[1]", "must be a list of file names"),
    ],
)
def test_an_include_stays_in_its_folder_and_finds_something(tmp_path: Path, include: str, message: str):
    path = write(tmp_path, f"version: 1\ninclude: {include}\n")

    (fault,) = refusal(path).faults

    assert (fault.line, fault.field) == (2, "include")
    assert message in fault.message


def test_too_many_included_files_are_refused(tmp_path: Path):
    path = write(tmp_path, "include: ['many/*.yaml']\n")
    for number in range(documents.MAX_FILES + 1):
        write(tmp_path, "", f"many/{number}.yaml")

    assert f"valid: at most {documents.MAX_FILES}" in str(refusal(path))
