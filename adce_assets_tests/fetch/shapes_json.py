"""Answers in JSON: result sets of columns and rows, nested documents, and documents of several pages."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from adce_assets_tests.fetch.poison import Shape, shape

Change = Callable[[Any], object]
HEADERS = ["GAME_ID", "TEAM_ID", "PLAYER_ID", "MIN", "PTS"]
GAME = "0022300511"


def dumped(document: Any, **options: Any) -> bytes:
    return json.dumps(document, **options).encode()


def changed(make: Callable[[int], Any], changes: Mapping[str, Change]) -> dict[str, bytes]:
    """Apply each change to a good document of seven records."""
    bodies = {}
    for name, change in changes.items():
        document = deepcopy(make(7))
        change(document)
        bodies[name] = dumped(document)
    return bodies


def put(path: str, value: Any) -> Change:
    """Set what is at a dotted path, or remove it where the value is `...`."""
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]

    def change(document: Any) -> None:
        for part in way:
            document = document[part]
        if value is ...:
            del document[last]
        else:
            document[last] = value

    return change


def written(good: bytes) -> dict[str, bytes]:
    """Texts that look like the JSON that they are not."""
    return {
        "two documents": good + good,
        "a comma too many": good[:-1] + b",}",
        "single quotes": good.replace(b'"', b"'"),
        "NaN": good[:-1] + b',"x":NaN}',
        "a number without end": good[:-1] + b',"x":' + b"9" * 100_000 + b"}",
        "nested without end": good[:-1] + b',"x":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
        "UTF-16": good.decode().encode("utf-16"),
        "not UTF-8": good[:-1] + b',"x":"\xe9\xff"}',
        "with padding of JSONP": b"callback(" + good + b");",
        "as a text": dumped(good.decode()),
        "in a list": b"[" + good + b"]",
        "in an envelope": b'{"body":' + good + b"}",
    }


def result_sets(n: int) -> Any:
    rows = [[GAME, 1610612738, 200000 + i, "12:34", i] for i in range(n)]
    return {
        "resource": "boxscore",
        "parameters": {"GameID": GAME},
        "resultSets": [
            {"name": "TeamStats", "headers": ["GAME_ID", "PTS"], "rowSet": [[GAME, 99]]},
            {"name": "PlayerStats", "headers": HEADERS, "rowSet": rows},
        ],
    }


def columns_and_rows() -> Shape:
    rows = "resultSets.name=PlayerStats.rowSet"
    declared = {
        "id_path": "parameters.GameID",
        "id_is": "{game_id}",
        "columns": {"resultSets.name=PlayerStats.headers": HEADERS},
        "records": f"{rows}.*",
        "distrust": [25, 50],
        "known": ["resource", "parameters", "resultSets"],
    }
    set_ = "resultSets.1"
    special = changed(
        result_sets,
        {
            "another game": put("parameters.GameID", "0022300512"),
            "a game with its zeros lost": put("parameters.GameID", 22300511),
            "no game": put("parameters.GameID", ...),
            "no rows": put(f"{set_}.rowSet", []),
            "null for rows": put(f"{set_}.rowSet", None),
            "a text for rows": put(f"{set_}.rowSet", "none"),
            "rows of nothing": put(f"{set_}.rowSet", [[], []]),
            "rows of null": put(f"{set_}.rowSet", [None, None]),
            "the set has another name": put(f"{set_}.name", "Players"),
            "a column is gone": lambda d: d["resultSets"][1]["headers"].remove("PTS"),
            "a column is renamed": put(f"{set_}.headers.4", "Points"),
            "a column is named twice": put(f"{set_}.headers.3", "PTS"),
            "no headers": put(f"{set_}.headers", ...),
            "a row is short": put(f"{set_}.rowSet.3", [GAME, 1]),
            "a row is long": put(f"{set_}.rowSet.3", [GAME, 1, 2, "", 4, 5]),
            "a row is a text": put(f"{set_}.rowSet.3", "abcde"),
            "no result sets": put("resultSets", []),
            "result sets that are none": put("resultSets", {}),
            "25 rows": lambda d: d.update(result_sets(25)),
            "50 rows": lambda d: d.update(result_sets(50)),
        },
    )
    return shape(
        "column-and-rows", declared, lambda n: dumped(result_sets(n)), special | written(dumped(result_sets(7)))
    )


def game(n: int) -> Any:
    actions = [{"actionNumber": i + 1, "clock": "PT11M00.00S"} for i in range(n)]
    return {"meta": {"time": "2024-01-16T08:30:00Z"}, "game": {"gameId": GAME, "status": 3, "actions": actions}}


def nested() -> Shape:
    declared = {
        "id_path": "game.gameId",
        "id_is": "{game_id}",
        "must_have": ["game.actions.*.actionNumber"],
        "must_equal": {"game.status": [3]},
        "records": "game.actions.*",
        "fresh_path": "meta.time",
        "max_age_s": 43_200,
        "distrust": [100],
        "forbidden": ["We are experiencing"],
    }
    special = changed(
        game,
        {
            "another game": put("game.gameId", "0022300512"),
            "a list of games": put("game.gameId", [GAME]),
            "true for the game": put("game.gameId", value=True),
            "no game": put("game", None),
            "no actions": put("game.actions", []),
            "actions gone": put("game.actions", ...),
            "actions of nothing": put("game.actions", [{}, {}]),
            "actions are a number": put("game.actions", 7),
            "an action without its number": put("game.actions.3.actionNumber", None),
            "the numbers are renamed": lambda d: d["game"].update(actions=[{"number": 1}]),
            "still in play": put("game.status", 2),
            "status as a text": put("game.status", "3"),
            "no status": put("game.status", ...),
            "of yesterday": put("meta.time", "2024-01-15T20:00:00Z"),
            "of last year": put("meta.time", "2023-01-16T08:30:00Z"),
            "of next month": put("meta.time", "2024-02-16T08:30:00Z"),
            "of no time": put("meta.time", "soon"),
            "time gone": put("meta", {}),
            "a hundred actions": lambda d: d.update(game(100)),
            "a notice inside": put("meta.note", "WE ARE EXPERIENCING problems"),
        },
    )
    return shape("nested JSON", declared, lambda n: dumped(game(n), indent=1), special | written(dumped(game(7))))


PER_PAGE = 5


def split(n: int) -> list[list[dict[str, Any]]]:
    rows = [{"id": i, "date": "2024-01-15"} for i in range(n)]
    return [rows[start : start + PER_PAGE] for start in range(0, n, PER_PAGE)]


def cursor_pages(n: int) -> Any:
    parts = split(n)
    pages = []
    for number, part in enumerate(parts):
        meta: dict[str, Any] = {"per_page": PER_PAGE}
        if number + 1 < len(parts):
            meta["next_cursor"] = part[-1]["id"]
        pages.append({"data": part, "meta": meta})
    return {"pages": pages}


def count_pages(n: int) -> Any:
    parts = split(n)
    return {
        "pages": [
            {"date": "2024-01-15", "pageIndex": i + 1, "pageCount": len(parts), "items": part}
            for i, part in enumerate(parts)
        ]
    }


def ref_pages(n: int) -> Any:
    items = [{"$ref": f"http://example.org/events/{i}"} for i in range(n)]
    pages = [{"id": str(i), "date": "2024-01-15", "competitions": [{"id": i}]} for i in range(n)]
    return {"index": {"count": n, "items": items}, "pages": pages}


def of_pages(make: Callable[[int], Any], rows: str) -> dict[str, Change]:
    """Damage that a document of pages can take, whatever their shape; seven records make two pages or more."""

    def repeat(document: Any) -> None:
        document["pages"][1] = document["pages"][0]

    return {
        "no pages": put("pages", []),
        "pages gone": put("pages", ...),
        "pages are null": put("pages", None),
        "pages are a mapping": put("pages", {"0": {}}),
        "one page is null": put("pages.1", None),
        "one page is a text": put("pages.1", "<html>"),
        "one page is empty": put("pages.1", {}),
        "one page is an error": put("pages.1", {"message": "Too many requests"}),
        "one page is another error": put("pages.0", {"error": "boom", "code": 500}),
        "one page is the other": repeat,
        "the last page is missing": lambda d: d["pages"].pop(),
        "one page has no rows": put(f"pages.0.{rows}", ...),
        "one page has null rows": put(f"pages.0.{rows}", None),
        "one page has a text for rows": put(f"pages.1.{rows}", "many"),
        "all pages twice": lambda d: d.update(pages=d["pages"] * 2),
        "a page alone": lambda d: (d.update(make(7)["pages"][0]), d.pop("pages")),
    }


def cursors() -> Shape:
    declared = {
        "must_have": ["meta"],
        "records": "data.*",
        "min_records": 1,
        "id_path": "data.*.date",
        "id_is": "{date}",
        "known": ["data", "meta"],
    }
    special = of_pages(cursor_pages, "data") | {
        "a cursor too few": put("pages.0.meta.next_cursor", ...),
        "a null cursor in the middle": put("pages.0.meta.next_cursor", None),
        "the last leads further": put("pages.1.meta.next_cursor", 99),
        "another day on one page": put("pages.1.data.0.date", "2024-01-14"),
        "another day on all": lambda d: [row.update(date="2024-01-14") for p in d["pages"] for row in p["data"]],
        "no word of the day": lambda d: [row.pop("date") for p in d["pages"] for row in p["data"]],
        "no meta": put("pages.1.meta", ...),
    }
    bodies = changed(cursor_pages, special) | written(dumped(cursor_pages(7)))
    return shape("cursor envelope", declared, lambda n: dumped(cursor_pages(n)), bodies, cursor="meta.next_cursor")


def counts() -> Shape:
    declared = {"id_path": "date", "id_is": "{date}", "must_have": ["items"], "records": "items.*"}
    special = of_pages(count_pages, "items") | {
        "three pages announced": lambda d: [p.update(pageCount=3) for p in d["pages"]],
        "one page announced": lambda d: [p.update(pageCount=1) for p in d["pages"]],
        "they do not agree": put("pages.1.pageCount", 3),
        "a text for the count": put("pages.1.pageCount", "2"),
        "true for the count": put("pages.1.pageCount", value=True),
        "no count": put("pages.1.pageCount", ...),
        "the first page is missing": lambda d: d["pages"].pop(0),
        "an empty page": put("pages.0.items", []),
        "another day": put("pages.1.date", "2024-01-14"),
        "no day": put("pages.1.date", ...),
    }
    bodies = changed(count_pages, special) | written(dumped(count_pages(7)))
    return shape("page counts", declared, lambda n: dumped(count_pages(n)), bodies, count="pageCount")


def refs() -> Shape:
    declared = {"id_path": "date", "id_is": "{date}", "must_have": ["id"], "records": "competitions.*"}
    special = of_pages(ref_pages, "competitions") | {
        "the index is gone": put("index", ...),
        "the index is null": put("index", None),
        "the index is empty": put("index.items", []),
        "the index names more": lambda d: d["index"]["items"].append({"$ref": "http://example.org/events/99"}),
        "the index has no references": lambda d: d["index"].update(items=[{"id": 1}] * 7),
        "another day": put("pages.1.date", "2024-01-14"),
        "no day": put("pages.1.date", ...),
        "no id": put("pages.6.id", ""),
    }
    bodies = changed(ref_pages, special) | written(dumped(ref_pages(7)))
    return shape("$ref pages", declared, lambda n: dumped(ref_pages(n)), bodies, refs="items.*.$ref")


SHAPES = [columns_and_rows(), nested(), cursors(), counts(), refs()]
