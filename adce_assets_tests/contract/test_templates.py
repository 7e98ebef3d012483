import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adce_assets.contract.samples import samples
from adce_assets.contract.seasons import Season
from adce_assets.contract.templates import (
    DATE_FIELDS,
    SEASON_FIELDS,
    Reading,
    Template,
    check_pattern,
    compile_template,
    field_values,
)
from adce_assets_tests.shipped import CONTRACT as SHIPPED

TEMPLATES = [template for data_set in SHIPPED.data_sets.values() for template in data_set.templates]
PATTERNS = {
    "game_id": r"\d{9}",
    "team": "[A-Z]{3}",
    "name": "[a-z_]+",
    "part": r"[a-z]+(?:-\d{4})?",
    "x": "a|bc|d{2,3}",
}

seasons = st.integers(1000, 9998).map(Season)
days = st.dates(date(1000, 1, 1), date(9999, 12, 31))


def values_of(template: Template, draw: st.DrawFn) -> tuple[Season | None, date | None, dict[str, str]]:
    """Draw what a key of the template may name; None where the template says nothing of it."""
    fields = set(template.fields)
    season = draw(seasons) if fields & SEASON_FIELDS.keys() else None
    day = draw(days) if fields & DATE_FIELDS.keys() else None
    entities = {
        name: draw(st.from_regex(re.compile(template.patterns[name], re.ASCII), fullmatch=True))
        for name in template.fields
        if name not in SEASON_FIELDS and name not in DATE_FIELDS
    }
    return season, day, entities


@st.composite
def shipped(draw: st.DrawFn) -> tuple[Template, Reading]:
    template = draw(st.sampled_from(TEMPLATES))
    return template, Reading(*values_of(template, draw))


@st.composite
def generated(draw: st.DrawFn) -> tuple[Template, Reading]:
    names = st.sampled_from([*PATTERNS, *SEASON_FIELDS, *DATE_FIELDS])
    folders = draw(
        st.lists(
            st.one_of(names.map("{{{}}}".format), st.from_regex(r"[a-z.]{1,3}=x", fullmatch=True)),
            min_size=1,
            max_size=5,
        )
    )
    template = compile_template("/".join(folders), PATTERNS)
    return template, Reading(*values_of(template, draw))


@settings(max_examples=300)
@given(st.one_of(shipped(), generated()))
def test_what_is_written_is_read_back(drawn: tuple[Template, Reading]):
    template, reading = drawn

    key = template.render(field_values(reading.season, reading.day, reading.entities))

    assert template.read(key) == reading


@settings(max_examples=300)
@given(shipped(), st.data())
def test_what_is_read_is_written_back_whatever_was_done_to_the_key(
    drawn: tuple[Template, Reading], data: st.DataObject
):
    template, reading = drawn
    key = template.render(field_values(reading.season, reading.day, reading.entities))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(key))] * 2)))
    changed = key[:start] + data.draw(st.text(max_size=5)) + key[end:]

    found = template.read(changed)

    assert found is None or template.render(field_values(found.season, found.day, found.entities)) == changed


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.text)
def test_every_shipped_template_reads_the_samples_it_writes(template: Template):
    texts = {name: samples(pattern)[0] for name, pattern in template.patterns.items() if name not in SEASON_FIELDS}
    reading = Reading(
        Season(2023) if SEASON_FIELDS.keys() & set(template.fields) else None,
        date(2024, 2, 29) if DATE_FIELDS.keys() & set(template.fields) else None,
        {name: text for name, text in texts.items() if name not in DATE_FIELDS},
    )

    assert template.read(template.render(field_values(reading.season, reading.day, reading.entities))) == reading


HOSTILE = [
    "../../etc/passwd",
    "..",
    ".",
    "",
    "/",
    "BOS/LAL",
    "BOS\n",
    "\nBOS",
    "BOS\x00",
    "BOS ",
    "bos",
    "BOSS",
    "BO",
    "Ｂ\uff2f\uff33",  # noqa: RUF001  full-width letters are the point
    "{team}",
    "B%53",
    "BOS\u202e",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_refused_with_what_is_valid(value: str):
    template = compile_template("rosters/{team}.json", PATTERNS)

    with pytest.raises(ValueError, match=re.escape("is no team; valid: [A-Z]{3}")):
        template.render({"team": value})


@pytest.mark.parametrize("value", ["\u0664" * 9, "\uff11" * 9, "12345678\u0665", "123456789\n", "-12345678"])
def test_only_ascii_digits_are_digits(value: str):
    template = compile_template("pbp/{game_id}.json", PATTERNS)

    assert template.read(f"pbp/{value}.json") is None
    with pytest.raises(ValueError, match="is no game_id"):
        template.render({"game_id": value})


def test_a_value_that_nobody_gives_is_refused():
    with pytest.raises(ValueError, match="`` is no team"):
        compile_template("rosters/{team}.json", PATTERNS).render({})


@pytest.mark.parametrize("day", ["2024-02-30", "2024-13-01", "2023-02-29", "0999-01-01"])
def test_a_day_that_no_calendar_has_is_neither_written_nor_read(day: str):
    template = compile_template("days/{date}.json", {})

    assert template.read(f"days/{day}.json") is None
    with pytest.raises(ValueError, match=r"day|month|is no date"):
        template.render({"date": day})


@pytest.mark.parametrize(
    ("text", "key", "season"),
    [
        ("{season}/x", "1999-00/x", "1999-00"),
        ("{season_start}/x", "1999/x", "1999-00"),
        ("{season_end}/x", "2000/x", "1999-00"),
        ("{season_end}/{season}.x", "2000/1999-00.x", "1999-00"),
        ("{season_end}/{season}.x", "1999/1999-00.x", None),
        ("{season}/x", "1999-01/x", None),
        ("{season_end}/x", "0000/x", None),
        ("{season_end}/x", "2000/x\n", None),
    ],
)
def test_a_season_is_read_in_each_of_its_notations(text: str, key: str, season: str | None):
    reading = compile_template(text, {}).read(key)

    assert (reading and reading.season and reading.season.label) == season


def test_two_notations_of_one_day_must_agree():
    template = compile_template("{date_compact}/{date}.json", {})

    assert template.read("20240229/2024-02-29.json") == Reading(None, date(2024, 2, 29), {})
    assert template.read("20240229/2024-02-28.json") is None


def test_a_field_that_stands_twice_must_agree_with_itself():
    template = compile_template("{team}/{team}.json", PATTERNS)

    assert template.read("BOS/BOS.json") == Reading(None, None, {"team": "BOS"})
    assert template.read("BOS/LAL.json") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pbp/{game}.json", "the field `{game}` is not known here; valid: "),
        ("pbp/{game_id!r}.json", "the field `{game_id}` is not known here"),
        ("pbp/{game_id:>9}.json", "the field `{game_id}` is not known here"),
        ("pbp/{}.json", "the field `{}` is not known here"),
        ("pbp/{0}.json", "the field `{0}` is not known here"),
        ("pbp/{game_id.real}.json", "the field `{game_id.real}` is not known here"),
        ("pbp/{game_id", "expected '}' before end of string"),
        ("pbp/game_id}", "Single '}' encountered"),
        ("pbp/{{game_id}}.json", "is not a plain path"),
        ("/pbp/{game_id}.json", "is not a plain path"),
        ("pbp//{game_id}.json", "is not a plain path"),
        ("pbp/../{game_id}.json", "is not a plain path"),
        ("pbp/{game_id}/", "is not a plain path"),
        ("", "is not a plain path"),
        ("p b p/{game_id}.json", "is not a plain path"),
        ("pbp\\{game_id}.json", "is not a plain path"),
        ("pbp/{game_id}.json\n", "is not a plain path"),
        ("caf\u00e9/{game_id}.json", "is not a plain path"),
    ],
)
def test_what_is_no_template_is_refused(text: str, said: str):
    with pytest.raises(ValueError, match=re.escape(said)):
        compile_template(text, PATTERNS)


def test_a_template_knows_its_literal_beginning():
    assert compile_template("a/b_{team}_{team}/c", PATTERNS).prefix == "a/b_"
    assert compile_template("a/b.json", PATTERNS).prefix == "a/b.json"


PLAIN = [
    r"\d{10}",
    "[A-Z]{3}",
    r"[1-9]\d{3}-\d{2}",
    "(?:ab|c)+d?",
    "x+?",
    "[A-Za-z0-9_-]+",
    r"\w+",
    "[]a]",
    r"a\.b",
    "[a-z][a-z.]*",
]
NOT_PLAIN = {
    "(a)": "uses groups",
    "(?P<a>b)": "uses groups",
    "(?=a)b": "uses groups",
    "(?i)a": "uses groups",
    "a++": "uses groups",
    "a{2}+": "uses groups",
    "^a": "uses groups",
    "a$": "uses groups",
    r"\ba": "uses groups",
    r"a\1": "uses groups",
    r"\Da": "uses groups",
    r"\x41": "uses groups",
    r"[\x41]": "uses groups",
    "[[:alpha:]]": "uses groups",
    "[a--b]": "uses groups",
    "[a": "is not a regular expression",
    "*a": "is not a regular expression",
    "a\\": "is not a regular expression",
    "[a-z]*": "allows ''",
    "a||b": "allows ''",
    ".+": "allows '.'",
    "[a-z.]+": "allows '.'",
    "[^a-z]+": "allows '.'",
    "a/b": "allows '/'",
    "[!-9]a": "allows '/'",
    "a b": "allows ' '",
    "a\n": "allows '\\n'",
    r"a\\": "allows '\\\\'",
    "a{x}": "allows '{'",
    "caf\u00e9": "allows '\\xe9'",
    "[\u00e8]": "allows '[\\xe8]'",
}


@pytest.mark.parametrize("pattern", PLAIN)
def test_a_plain_pattern_may_stand_for_a_field(pattern: str):
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", NOT_PLAIN)
def test_a_pattern_that_could_leave_its_place_in_a_key_is_refused(pattern: str):
    with pytest.raises(ValueError, match=re.escape(NOT_PLAIN[pattern])):
        check_pattern(pattern)


@settings(max_examples=500)
@given(st.text("ab.[]^-(){}|?:+*\\dwsD/$0,2", max_size=8))
def test_no_pattern_that_passes_matches_what_would_leave_its_place(pattern: str):
    compiled = re.compile(pattern, re.ASCII) if passes(pattern) else None

    assert compiled is None or not any(map(compiled.fullmatch, LEAVING))
    assert compiled is None or all(map(compiled.fullmatch, samples(pattern)))


LEAVING = ("", ".", "..", "/", "a/b", "..\\", "a\n", "\x00", " ", "{", "\u00e9")


def passes(pattern: str) -> bool:
    try:
        return bool(check_pattern(pattern))
    except ValueError:
        return False
