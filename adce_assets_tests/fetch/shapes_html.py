"""Pages of HTML: tables in the page, tables in its comments, and JSON that a script of it holds."""

import json
from typing import Any

from adce_assets_tests.fetch.poison import Shape, shape

TITLE = "Boston at Toronto Box Score, January 15, 2024"
ADDRESS = "/boxscores/202401150TOR.html"


def row(i: int, names: tuple[str, ...] = ("player", "mp", "pts")) -> str:
    cells = "".join(f'<td data-stat="{name}">{i}{n}</td>' for n, name in enumerate(names[1:]))
    return f'<tr><th scope="row" data-stat="{names[0]}"><a href="/players/{i}.html">P {i}</a></th>{cells}</tr>'


def table(n: int, name: str = "box-BOS-game-basic", columns: tuple[str, ...] = ("player", "mp", "pts")) -> str:
    heads = "".join(f'<th data-stat="{column}">{column}</th>' for column in columns)
    rows = "".join(row(i, columns) for i in range(n))
    again = f'<tr class="thead">{heads}</tr>'
    return (
        f'<table class="stats_table" id="{name}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{again}{rows}</tbody><tfoot>{row(999, columns)}</tfoot></table>"
    )


def html(body: str, *, title: str = TITLE, address: str = ADDRESS) -> bytes:
    link = f'<link rel="canonical" href="https://www.example.org{address}">' if address else ""
    text = f"<!DOCTYPE html>\n<html><head><title>{title}</title>{link}</head><body><div>{body}</div></body></html>\n"
    return text.encode()


NOTICES = {
    "blocked under the right address": html("Too many requests: you have been blocked."),
    "blocked by its title, with a table": html(table(7), title="Access denied"),
    "a login by its title, with a table": html(table(7), title="Log in to see the box score"),
    "not found by its title, with a table": html(table(7), title="Page Not Found (404 error)"),
    "a captcha by its title, with a table": html(table(7), title="Attention Required! | Proxy"),
    "no words and no table": html(""),
    "widgets are off": html("<p>This table is temporarily unavailable.</p>"),
}
IDENTITIES = {
    "another game": html(table(7), address="/boxscores/202401150BOS.html"),
    "the home page": html(table(7), address="/"),
    "no address": html(table(7), address=""),
    "two addresses": html(f'<link rel="canonical" href="https://www.example.org/other.html">{table(7)}'),
    "a crooked address": html(table(7), address="//[::1"),
}


def tables() -> Shape:
    declared = {
        "parses": "html",
        "id_path": "canonical",
        "id_is": "/boxscores/202401150TOR.html",
        "must_have": ["box-{team}-game-basic"],
        "columns": {"box-{team}-game-basic|box_{team}_basic": ["player|name_display", "mp", "pts"]},
        "records": "box-{team}-game-basic|box_{team}_basic",
        "distrust": [100],
        "forbidden": ["widgets are turned off"],
    }
    special = {
        "no table": html("<p>Scores are elsewhere.</p>" * 100),
        "a table without an id": html(table(7).replace(' id="box-BOS-game-basic"', "")),
        "another team's table": html(table(7, "box-TOR-game-basic")),
        "an empty table": html(table(0)),
        "headings only": html('<table id="box-BOS-game-basic"><thead><tr><th>a</th></tr></thead></table>'),
        "repeated headings only": html(table(3).replace("<tr><th scope", '<tr class="thead"><th scope')),
        "spacers only": html(table(3).replace("<tr><th scope", '<tr class="spacer"><th scope')),
        "a column is gone": html(table(7, columns=("player", "mp"))),
        "a column is renamed": html(table(7, columns=("player", "mp", "points"))),
        "columns without names": html(table(7).replace("data-stat", "data-x").replace(">pts<", ">score<")),
        "a list in place of the table": html('<ul id="box-BOS-game-basic"><li>1</ul>'),
        "a table that does not end": html(table(7).replace("</table>", "")),
        "cut, but ended properly": html(table(7)[:400]),
        "a notice inside": html(table(7) + "<p>Widgets are TURNED OFF</p>"),
        "a hundred rows": html(table(100)),
        "the table as text": html(table(7).replace("<", "&lt;")),
        "the table in a script": html(f"<script>var t='{table(7).replace('</', '<|')}'</script>"),
        "not UTF-8": html(table(7)).replace(b"P 3", b"P \xe9\xff"),
        "a zero byte": html(table(7)).replace(b"P 3", b"P \0"),
        "nested without end": html("<div>" * 100_000),
    }
    return shape("HTML tables", declared, lambda n: html(table(n)), NOTICES | IDENTITIES | special)


def comment(text: str) -> str:
    return f'<div id="all_x" class="setup_commented"><!--\n<div class="table_wrapper">{text}</div>\n--></div>'


def comments() -> Shape:
    declared = {
        "parses": "html",
        "id_path": "title",
        "id_is": "January 15, 2024",
        "must_have": ["advanced_pbp|pbp"],
        "columns": {"pbp": ["player", "pts"]},
        "records": "pbp",
        "min_records": 1,
        "distrust": [50],
    }

    def hidden(n: int, **how: Any) -> bytes:
        return html(comment(table(n, "pbp")) + table(3, "other"), **how)

    special = {
        "another day": hidden(7, title="Boston at Toronto Box Score, January 14, 2024"),
        "a longer year": hidden(7, title="Boston at Toronto Box Score, January 15, 20240"),
        "no title": hidden(7, title=""),
        "blocked": hidden(7, title="Access denied, January 15, 2024"),
        "a jail": hidden(7, title="Too Many Requests January 15, 2024"),
        "a login": hidden(7, title="Sign in January 15, 2024"),
        "an error": hidden(7, title="January 15, 2024: 502 Bad Gateway"),
        "no comment": html(table(7, "other")),
        "an empty comment": html(comment("") + table(7, "other")),
        "another table in it": html(comment(table(7, "shooting"))),
        "an empty table in it": hidden(0),
        "cut in the comment": html(comment(table(7, "pbp")[:300])),
        "the table does not end": html(comment(table(7, "pbp").replace("</table>", ""))),
        "the comment does not end": html(comment(table(7, "pbp")).replace("-->", "")),
        "a column is gone": html(comment(table(7, "pbp", ("player", "mp")))),
        "a column is renamed": html(comment(table(7, "pbp", ("name", "pts")))),
        "repeated headings only": html(
            comment(table(3, "pbp").replace("<tr><th scope", '<tr class="thead"><th scope'))
        ),
        "fifty rows": hidden(50),
        "a comment in a script": html(f"<script>{comment(table(7, 'pbp'))}</script>"),
        "a comment as text": html(comment(table(7, "pbp")).replace("<", "&lt;")),
        "comments without number": html("<!--<p>x</p>-->" * 3_000 + comment(table(7, "pbp"))),
        "a comment in a comment that ends early": html(f"<!-- <!-- --> {comment(table(7, 'pbp'))[:200]}"),
        "a table of another team in the page": html(table(7, "pbp2") + comment(table(7, "pb"))),
        "the id in two cases": html(comment(table(7, "PBP"))),
        "not UTF-8": hidden(7).replace(b"P 3", b"\xff\xfe"),
    }
    return shape("HTML tables in comments", declared, hidden, special)


def state(n: int) -> Any:
    shots = [{"id": i, "text": "</b> makes a shot"} for i in range(n)]
    return {"page": {"type": "gamepackage", "content": {"gmStrp": {"gid": "401585183", "plays": shots}}}}


def app(document: Any, *, before: str = "window['__it__']=", title: str = TITLE, **how: Any) -> bytes:
    text = document if isinstance(document, str) else json.dumps(document)
    return html(f"<p>Box score</p><script>window.x={{}};{before}{text};</script><p>more</p>", title=title, **how)


def embedded() -> Shape:
    plays = "page.content.gmStrp.plays"
    declared = {
        "parses": "html",
        "embedded": "window['__it__']=",
        "id_path": "page.content.gmStrp.gid",
        "id_is": "401585183",
        "must_have": ["page.content"],
        "must_equal": {"page.type": ["gamepackage"]},
        "records": f"{plays}.*",
        "distrust": [100],
    }

    def other(**changes: Any) -> bytes:
        document = state(7)
        document["page"]["content"]["gmStrp"] |= changes
        return app(document)

    special = {
        "another game": other(gid="401585184"),
        "no game": other(gid=None),
        "no plays": other(plays=[]),
        "null for plays": other(plays=None),
        "a mapping of nothing": other(plays={}),
        "a text for plays": other(plays="none"),
        "plays of nothing": other(plays=[None, None]),
        "a hundred plays": app(state(100)),
        "another kind of page": app({"page": {**state(7)["page"], "type": "error"}}),
        "no content": app({"page": {"type": "gamepackage"}}),
        "an empty object": app({}),
        "a list": app([]),
        "a text": app('"please enable scripts"'),
        "null": app("null"),
        "undefined": app("undefined"),
        "cut": app(json.dumps(state(7))[:-20]),
        "a function": app("function(){return 1}()"),
        "single quotes": app(json.dumps(state(7)).replace('"', "'")),
        "NaN": app(json.dumps(state(7)).replace("401585183", "401585183").replace('"id": 3', '"id": NaN')),
        "nested without end": app("[" * 60_000 + "]" * 60_000),
        "a digit too many": app("9" * 100_000),
        "under another name": app(state(7), before="window['__that__']="),
        "in a comment": html(f"<!--<script>window['__it__']={json.dumps(state(7))}</script>--><p>x</p>"),
        "an error in it": app({"error": "not found", "code": 404}),
        "blocked": app(state(7), title="Access Denied"),
        "a login": app(state(7), title="Log In"),
        "not found": app(state(7), title="404 Not Found"),
        "not UTF-8": app(state(7)).replace(b"makes", b"m\xff\xfe"),
        "two ids": app(state(7)).replace(b'"gid": "401585183"', b'"gid": ["401585183", "1"]'),
    }
    return shape("embedded JSON", declared, lambda n: app(state(n)), NOTICES_OF_AN_APP | special)


NOTICES_OF_AN_APP = {name: body for name, body in NOTICES.items() if "table" not in name}

SHAPES = [tables(), comments(), embedded()]
