"""A page in, the same page with the tables that its comments hide out.

Some sites keep tables in comments, for a script to lay out later: they are data as any other. Both who counts and who
reads see them, if a reading's format says so; every other comment stays one.
"""

BEGIN, END, TABLE = b"<!--", b"-->", b"<table"


def uncommented(body: bytes) -> bytes:
    """Take the marks off every comment that holds a table; one that does not end is left as it is."""
    parts, at = [], 0
    while (start := body.find(BEGIN, at)) >= 0 and (end := body.find(END, start + len(BEGIN))) >= 0:
        inner, after = body[start + len(BEGIN) : end], end + len(END)
        parts += [body[at:start], inner if TABLE in inner else body[start:after]]
        at = after
    return b"".join([*parts, body[at:]])
