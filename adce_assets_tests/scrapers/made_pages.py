"""Columns and numbers of rows in, pages of HTML out that look like those of a site with tables.

What is in the cells is made up; the ids of tables and the names of columns are facts about the sources.
"""

import re
from collections.abc import Iterable

MENU = "".join(f'<li><a href="/page/{number}/">Page {number}</a></li>' for number in range(40))
"""What every page carries beside its tables, and what makes it as long as a page is."""


def page(canonical: str, *parts: str, title: str = "A page of numbers") -> bytes:
    """Make a page whose own address is ``canonical``."""
    link = f'<link rel="canonical" href="{canonical}">' if canonical else ""
    head = f"<head><title>{title}</title>{link}</head>"
    return f"<!DOCTYPE html><html>{head}<body><ul>{MENU}</ul>{''.join(parts)}</body></html>".encode()


def table(name: str, columns: str, rows: int, *, classes: str = "stats_table", repeated: int = 20) -> str:
    """Make a table; every so many rows its heading is repeated, which is no record."""
    names = columns.split()
    head = "<tr>" + "".join(f'<th data-stat="{column}">{column}</th>' for column in names) + "</tr>"
    body = "".join(
        (head.replace("<tr>", '<tr class="thead">') if number and number % repeated == 0 else "") + _row(names, number)
        for number in range(rows)
    )
    identity = f' id="{name}"' if name else ""
    return f'<table{identity} class="{classes}"><thead>{head}</thead><tbody>{body}</tbody></table>'


def bare_table(name: str, rows: int, cells: int) -> str:
    """Make a table without a body of its own and without names of columns."""
    body = "".join("<tr>" + f"<td>{number}</td>" * cells + "</tr>" for number in range(rows))
    return f'<table id="{name}"><tr><th>Time</th></tr>{body}</table>'


def hidden(*parts: str) -> str:
    """Put parts of a page into a comment, to be laid out later by a script."""
    return f"<div><!-- {''.join(parts)} --></div>"


def elements(place: str, count: int, inner: str = "a") -> str:
    """Make elements that are all alike: ``div.name`` has that class, ``div#name`` that id."""
    tag, how, name = re.split(r"([.#])", place, maxsplit=1)
    return f'<{tag} {"class" if how == "." else "id"}="{name}">{inner}</{tag}>' * count


def paragraphs(texts: Iterable[str]) -> str:
    """Make what a person reads."""
    return "".join(f"<p>{text}</p>" for text in texts)


def _row(names: list[str], number: int) -> str:
    first, *others = names
    return (
        f'<tr><th scope="row" data-stat="{first}">{number}</th>'
        + "".join(f'<td data-stat="{column}">{number}</td>' for column in others)
        + "</tr>"
    )
