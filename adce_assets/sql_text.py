"""A name or a text in, the same as SQL takes it out, whatever is in it: DuckDB and PostgreSQL write both alike."""


def quoted(name: str) -> str:
    """Write a name so that SQL takes it as a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text so that SQL takes it as a text."""
    return "'" + text.replace("'", "''") + "'"
