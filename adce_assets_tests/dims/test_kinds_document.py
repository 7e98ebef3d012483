"""A value of a document keeps its type, and a document made to do harm does none."""

import json

import pytest
from pydantic import ValidationError

from adce_assets.dims import lookup
from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets_tests.dims.measuring import put, why_not
from adce_assets_tests.dims.small_lake import ADAPTER, measured

DATA = {"a": {"b": 3, "c": [1, 2, 3]}, "name": "v1.2", "f": 2.5, "yes": True, "none": None, "long": "x" * 300, "": {}}


@pytest.mark.parametrize("name", ["d.json", "d.yaml", "deep/d.YML", ".hidden.json"])
@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", 3), ("length(a.c)", 3), ("f", 2.5), ("name", "v1.2"), ("a.c[-1]", 3), ("sum([a.b, f])", 5.5)],
)
def test_a_value_of_a_document_keeps_its_type(world: World, name: str, path: str, value: Value):
    put(world, **{name: json.dumps(DATA)})  # which is YAML too
    found = measured(world, "document", file=name, path=path)
    assert (type(found), found) == (type(value), value)


def test_a_day_in_a_document_is_its_text(world: World):
    put(world, **{"d.yaml": "day: 2025-01-15\n1: key\n'1': another\non: push\n"})
    assert measured(world, "document", file="d.yaml", path="day") == "2025-01-15"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a", "a dict of 2 was found"),
        ("a.c", "a list of 3 was found"),
        ("nothing", "nothing was found"),
        ("none", "nothing was found"),
        ("yes", "`true` was found"),
        ("long", "a text of 300 letters"),
        ("length(f)", "cannot be looked up"),
        ("to_string(a) | length(@) | [@]", "a list of 1 was found"),
    ],
)
def test_what_is_no_value_is_refused(world: World, path: str, said: str):
    put(world, **{"d.json": json.dumps(DATA)})
    told = why_not(world, "document", file="d.json", path=path)
    assert told.startswith("d.json: ")
    assert said in told


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("d.json", b"", "is no JSON"),
        ("d.json", b'{"a": 1', "is no JSON"),
        ("d.json", b"\xff\xfe", "is no JSON"),
        ("d.json", b"[" * 100_000, "is no JSON"),
        ("d.json", b'{"a": NaN}', "`nan` was found"),
        ("d.json", b'{"a": 1' + b"0" * 400 + b"}", "a number of 1329 bits was found"),
        ("d.yaml", b"a: [1", "is no YAML"),
        ("d.yaml", b"a: 1\n---\na: 2\n", "is no YAML"),
        ("d.yaml", b"a: !!python/object/apply:os.system ['touch pwned']", "is no YAML"),
        ("d.yaml", b"a: \x07", "is no YAML"),
        ("d.yaml", b"[" * 100_000, "nested more than"),
        ("d.yaml", b"a: " + b"- " * 3000, "is no YAML"),
        ("d.yaml", b"a: 2025-99-99", "is no YAML"),
        ("d.yaml", b"", "nothing was found"),
        ("d.yaml", b"a: 1\nb: 2\na: 3\n", "the key `a` stands there twice"),
        ("d.yaml", b"x: &x {b: 1, 'b': 2}\na: *x\n", "the key `b` stands there twice"),
        ("d.json", b'{"a": [{"b": 1, "b": 1}]}', "the key `b` stands there twice"),
    ],
)
def test_a_damaged_document_is_no_value(world: World, name: str, body: bytes, said: str):
    put(world, **{name: body})
    assert said in why_not(world, "document", file=name, path="a")
    assert not (world.root / "pwned").exists()


def test_documents_that_unfold_without_end_are_given_up(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookup, "CPU_S", 1)
    monkeypatch.setattr(lookup, "MEMORY", 1 << 28)
    bomb = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 50)}]\n" for n in range(1, 9))
    put(world, **{"d.yaml": bomb, "e.yaml": "x: &x {n: 7}\ny: *x\n", "f.json": "{}"})
    assert measured(world, "document", file="e.yaml", path="y.n") == 7
    assert "too much" in why_not(world, "document", file="d.yaml", path="length(a8[][][][][][])")
    assert "too much" in why_not(world, "document", file="f.json", path="|".join(["[@,@]"] * 40) + "|to_string(@)")


def test_a_document_that_is_too_large_is_not_read(world: World):
    put(world, **{"d.json": b" " * (lookup.MOST + 1)})
    assert f"has {lookup.MOST + 1} bytes" in why_not(world, "document", file="d.json", path="a")
    (world.root / "folder.json").mkdir()
    assert "is no file" in why_not(world, "document", file="folder.json", path="a")


@pytest.mark.parametrize("entry", [{"file": "d.txt", "path": "a"}, {"file": "*.json", "path": "a"}])
@pytest.mark.parametrize("path", ["a", "a[", "(" * 400, "nofunction("])
def test_what_names_no_document_or_value_is_refused_when_it_is_read(entry: dict[str, str], path: str):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({"kind": "document", **entry, "path": path})
    if path != "a":
        with pytest.raises(ValidationError):
            ADAPTER.validate_python({"kind": "document", "file": "d.json", "path": path})
