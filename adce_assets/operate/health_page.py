"""The description of the health server in, a page for people out, which needs nothing from anywhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from adce_assets.pages import page, table


def page_of(described: Mapping[str, Any]) -> str:
    """Draw an OpenAPI description: each way to ask, what it takes, and what it answers."""
    about = described["info"]
    return page(about["title"], [_head(about), *_ways(described), *_records(described)])


def _head(about: Mapping[str, Any]) -> str:
    return (
        f"<h1>{escape(about['title'])}</h1><p>{escape(about['description'])} "
        f'<span class="quiet">{escape(about["version"])}</span> <a href="openapi.json">openapi.json</a></p>'
    )


def _ways(described: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, way in methods.items():
            yield f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p>{escape(way['description'])}</p>"
            if "security" not in way:
                yield '<p class="quiet">Takes no token.</p>'
            yield from _taken(way)
            rows = [(status, one.get("description", ""), _form(one)) for status, one in way["responses"].items()]
            yield table(("status", "is", "answer"), rows)


def _taken(way: Mapping[str, Any]) -> Iterator[str]:
    rows = [(one["name"], one["in"], _kind(one["schema"])) for one in way.get("parameters", ())]
    if "requestBody" in way:
        rows.append(("body", "JSON", _form(way["requestBody"])))
    if rows:
        yield table(("takes", "in", "form"), rows)


def _records(described: Mapping[str, Any]) -> Iterator[str]:
    for name, record in described["components"]["schemas"].items():
        yield f"<h2>{escape(name)}</h2><p>{escape(record.get('description', ''))}</p>"
        members = record.get("properties", {})
        if members:
            yield table(("member", "form"), [(member, _kind(form)) for member, form in members.items()])


def _form(one: Mapping[str, Any]) -> str:
    return ", ".join(_kind(content["schema"]) for content in one.get("content", {}).values() if "schema" in content)


def _kind(schema: Mapping[str, Any]) -> str:
    """Say of which form something is, in a word or two."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum") or [schema["const"]]))
    within = f" of {_kind(schema['items'])}" if schema.get("items") else ""
    return f"{schema.get('type', 'anything')}{within}"
