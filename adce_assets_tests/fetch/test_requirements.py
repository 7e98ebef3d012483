import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adce_assets.errors import ConfigurationError, DriftError, EmptyAnswerError, WrongEntityError
from adce_assets.fetch.audit import audit
from adce_assets.fetch.freshness import moment_of
from adce_assets.fetch.requirements import Arrival, AuditResult, Pages, Requirements
from adce_assets_tests.fetch.shapes_files import pdf_of
from adce_assets_tests.fetch.shapes_html import html, row, table

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
ENTITY = {"team": "BOS", "date": "2025-01-15"}


def ask(document: Any, arrival: Arrival | None = None, **declared: Any) -> AuditResult:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return audit(body, Requirements.model_validate(declared), ENTITY, arrival=arrival)


@pytest.mark.parametrize(
    ("declared", "confirmed"),
    [
        ({"records": "a.*"}, False),
        ({"records": "a.*", "empty": "confirm"}, True),
        ({"records": "a.*", "must_have": ["a"]}, False),
        ({"records": "a.*", "min_records": 2}, False),
    ],
)
def test_an_empty_answer_is_told_from_every_other_fault(declared: dict[str, Any], *, confirmed: bool):
    with pytest.raises(EmptyAnswerError) as caught:
        ask({"a": []}, **declared)
    assert caught.value.confirmed is confirmed


@pytest.mark.parametrize("declared", [{"min_records": 0}, {"may_be_empty": ["a"]}])
def test_an_empty_answer_may_be_data_where_the_entry_says_so(declared: dict[str, Any]):
    assert ask({"a": []}, records="a.*", **declared) == AuditResult(0)


@pytest.mark.parametrize("document", [{}, {"b": []}, {"a": "none"}, {"error": "boom"}])
def test_an_answer_that_lacks_its_list_confirms_nothing(document: Any):
    with pytest.raises(Exception, match=r"not there|no list|notice") as caught:
        ask(document, records="a.*", empty="confirm")
    assert not isinstance(caught.value, EmptyAnswerError)


def test_nothing_is_asked_of_records_that_are_not_there():
    declared = {"id_path": "a.*.team", "id_is": "{team}", "must_have": ["a.*.x"]}
    for rows in ([], None):
        with pytest.raises(EmptyAnswerError) as caught:
            ask({"a": rows}, records="a.*", empty="confirm", **declared)
        assert caught.value.confirmed


def test_too_few_records_and_round_ones_are_drift():
    with pytest.raises(DriftError, match="only 2"):
        ask({"a": [1, 2]}, records="a.*", min_records=3)
    with pytest.raises(DriftError, match="silent cap"):
        ask({"a": [1, 2]}, records="a.*", distrust=[2])
    assert ask({"pages": [{"a": [1, 2]}]}, records="a.*", distrust=[2], pages=Pages()) == AuditResult(2)


def test_what_is_new_is_told_and_passes():
    document = {"a": [{"x": 1, "y": 2}], "headers": ["X", "Z"], "more": 1}
    known = ["a", "headers", "a.*.x", "headers.X"]
    assert ask(document, known=known).warnings == ("added: `more`", "added: `a.*.y`", "added: `headers.Z`")


def test_a_new_column_of_a_table_and_of_a_file_is_told():
    assert ask(html(table(1)), parses="html", known=["box-*.player", "box-*.mp"]).warnings == (
        "added: `box-BOS-game-basic.pts`",
    )
    assert ask(b"a,b\n1,2\n", parses="csv", known=["a"]).warnings == ("added: `*.b`",)


def test_of_several_spellings_the_first_that_is_there_counts():
    assert ask({"b": [1, 2]}, records="a.*|b.*") == AuditResult(2)
    page = html(table(2, "totals") + table(3, "totals_stats"))
    assert ask(page, parses="html", records="totals_stats|totals") == AuditResult(3)
    assert ask(page, parses="html", records="none|totals") == AuditResult(2)


def test_all_tables_that_a_glob_matches_are_summed():
    page = html(table(2, "box-BOS-game-basic") + table(3, "box-NYK-game-basic") + table(9, "line_score"))
    assert ask(page, parses="html", records="box-*-game-basic") == AuditResult(5)
    assert ask(page, parses="html", records="box-{team}-game-basic") == AuditResult(2)
    with pytest.raises(ConfigurationError):
        ask(page, parses="html", records="box-{player}-game-basic")


def test_an_entity_cannot_widen_a_glob():
    with pytest.raises(DriftError):
        audit(html(table(2)), Requirements(parses="html", records="box-{team}-game-basic"), {"team": "*"})


def test_elements_count_where_a_page_has_no_tables():
    games = '<div class="game_summary nohover">x</div>' * 3
    declared: dict[str, Any] = {"parses": "html", "records": "div.game_summary", "may_be_empty": ["div#games"]}
    assert ask(html(f'<div id="games">{games}</div>'), **declared) == AuditResult(3)
    with pytest.raises(EmptyAnswerError) as caught:
        ask(html('<div id="games"></div>' + "<p>A quiet day.</p>"), empty="confirm", **declared)
    assert caught.value.confirmed
    with pytest.raises(DriftError):
        ask(html("<p>Elsewhere.</p>"), empty="confirm", **declared)


def test_rows_without_a_body_count_and_headings_do_not():
    rows = row(1) + "<tr><th>2nd Q</th></tr>" + row(2)
    assert ask(html(f'<table id="pbp">{rows}</table>'), parses="html", records="pbp") == AuditResult(2)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-01-15T12:00:00Z", NOW),
        ("2025-01-15T07:00:00-05:00", NOW),
        ("2025-01-15 12:00:00", NOW),
        ("20250114", NOW),
        ("2025-01-14", NOW),
        ("Wed, 15 Jan 2025 12:00:00 GMT", NOW),
        (1736942400, NOW),
        (1736942400000, NOW),
        ("1736942400", NOW),
        ("yesterday", None),
        ("", None),
        (True, None),
        (None, None),
        (float("inf"), None),
        (-5, None),
        ("99999999", None),
    ],
)
def test_times_are_read_however_they_are_written(value: object, moment: datetime | None):
    assert moment_of(value) == moment


@pytest.mark.parametrize(
    "headers",
    [
        {"age": "90000"},
        {"date": "Tue, 14 Jan 2025 08:00:00 GMT"},
        {"date": "Wed, 15 Jan 2025 11:00:00 GMT", "age": "99999"},
    ],
)
def test_a_copy_of_yesterday_is_told_by_its_headers(headers: dict[str, str]):
    with pytest.raises(WrongEntityError, match="copy"):
        ask({"a": 1}, Arrival(NOW, headers), max_age_s=86_400)
    assert ask({"a": 1}, Arrival(NOW, {"age": "60", "date": "nonsense"}), max_age_s=86_400) == AuditResult(None)


@pytest.mark.parametrize("headers", [{}, {"date": "nonsense", "age": "old"}])
def test_what_tells_no_age_at_all_may_be_of_any(headers: dict[str, str]):
    with pytest.raises(DriftError, match="how old"):
        ask({"a": 1}, Arrival(NOW, headers), max_age_s=86_400)
    assert ask({"a": NOW.isoformat()}, Arrival(NOW, headers), fresh_path="a", max_age_s=86_400) == AuditResult(None)


def test_an_age_that_cannot_be_known_is_a_fault_of_the_caller():
    with pytest.raises(ConfigurationError):
        ask({"a": 1}, max_age_s=86_400)


REF = "http://core.example.org/v2/events/{}/competitions/7/odds/58?lang=en"


@pytest.mark.parametrize("refs", [["BOS"], ["BOS", "BOS"]])
def test_an_id_inside_of_an_address_is_told_by_what_stands_around_it(refs: list[str]):
    items = [{"$ref": REF.format(ref)} for ref in refs]
    assert ask({"items": items}, id_path="items.*.$ref", id_is="*/events/{team}/*") == AuditResult(None)


@pytest.mark.parametrize("refs", [["NYK"], ["BOS", "NYK"], ["BOSS"], ["2/BOS"], []])
def test_an_id_inside_of_an_address_must_stand_in_each(refs: list[str]):
    items = [{"$ref": REF.format(ref)} for ref in refs]
    with pytest.raises(WrongEntityError):
        ask({"items": items}, id_path="items.*.$ref", id_is="http*.org/v2/events/{team}/*")


def test_what_an_entity_is_called_never_stands_for_anything():
    asked = Requirements(id_path="a", id_is="{team}")
    assert audit(b'{"a": "B*"}', asked, {"team": "B*"}) == AuditResult(None)
    with pytest.raises(WrongEntityError):
        audit(b'{"a": "BOS"}', asked, {"team": "B*"})


def test_a_document_either_says_what_it_is_about_or_why_not():
    why = "rows of numbers, and not of which game"
    assert ask({"a": 1}, id_unsaid=why) == AuditResult(None)
    with pytest.raises(ValueError, match="why there is no `id_is`, and there is one"):
        ask({"a": "BOS"}, id_path="a", id_is="{team}", id_unsaid=why)


def test_elements_inside_of_one_are_counted_once_each():
    page = html('<ul class="days"><li><p>1</p><ul class="days"><li><p>2</p></li></ul></li></ul><p>3</p>')
    asked = {"parses": "html", "must_have": ["ul.days"], "records": "ul.days p"}
    assert ask(page, **asked) == AuditResult(2)
    with pytest.raises(EmptyAnswerError):
        ask(html('<ul class="days"></ul><p>3</p>'), **asked)


def test_a_text_of_a_pdf_may_go_over_several_lines():
    declared = {"parses": "pdf", "id_path": "text", "id_is": "Injury Report: 01/15/24"}
    assert ask(pdf_of([["Injury", "Report:", "01/15/24"]]), **declared) == AuditResult(None)
    with pytest.raises(WrongEntityError):
        ask(pdf_of([["Injury", "Report:", "01/14/24", "01/15/2024"]]), **declared)
