"""What a shape of answer must be to become data, good ones, and bodies that are none: for all shapes alike."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adce_assets.fetch.requirements import Pages, Requirements

ENTITY = {"game_id": "0022300511", "season": "2023-24", "date": "2024-01-15", "team": "BOS"}
CAME = datetime(2024, 1, 16, 9, tzinfo=UTC)
SIZES = (1, 2, 7, 40)
"""Numbers of records that good bodies are made with."""


@dataclass(frozen=True)
class Shape:
    """A shape of answer: what is asked of it, how good bodies of n records look, and bodies that must be refused."""

    name: str
    requirements: Requirements
    good: Mapping[int, bytes]
    poisons: Mapping[str, bytes]


def shape(name: str, declared: Mapping[str, Any], make: Any, special: Mapping[str, bytes], **pages: str) -> Shape:
    """Build a shape; `make(n)` gives a good body of n records."""
    requirements = Requirements.model_validate(declared)
    if pages:
        requirements = requirements.model_copy(update={"pages": Pages(**{k: v for k, v in pages.items() if v})})
    poisons = {**strangers(requirements.parses), **damages(make(7)), **special}
    return Shape(name, requirements, {n: make(n) for n in SIZES}, poisons)


def page(title: str, words: str) -> bytes:
    text = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{words}</h1></body></html>"
    return text.encode()


def small_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return out.getvalue()


def strangers(parses: str) -> dict[str, bytes]:
    """Bodies that are data of no kind at all, or of another kind than is due."""
    bodies = {
        "nothing": b"",
        "a blank": b" ",
        "line ends": b"\r\n" * 300,
        "zeros": bytes(4096),
        "access denied": page("Access Denied", "You don't have permission to access this server. Reference #18.2f"),
        "a captcha": page("Just a moment...", "Checking your browser before accessing. Enable cookies."),
        "a robot check": page("Robot or human?", "Please verify you are a human: press and hold."),
        "a jail": page("Rate Limited Request (429 error)", "We limit requests to 20 a minute. You are in jail."),
        "a login page": page("Sign in", "<form action='/login'><input type='password'></form>"),
        "a login without a title": page("", "Your session has expired, please log in again"),
        "maintenance": page("We'll be back soon", "Down for maintenance."),
        "not found": page("404 Not Found", "nginx"),
        "a server error": page("500 Internal Server Error", "Something went wrong"),
        "a parked domain": page("example.org", "This domain is for sale"),
        "a redirect by script": b"<html><script>location='/gate?next=%2Fdata'</script></html>",
        "a page without words": b"<!doctype html><html><head></head><body></body></html>",
        "an XML error": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>gone</Message></Error>',
        "billion laughs": b'<!DOCTYPE html [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        b"<html><body>&b;&b;&b;&b;</body></html>",
        "plain text": b"Too many requests. Please slow down.\n",
        "one word": b"null",
        "an error in JSON": b'{"code":404,"message":"Not Found"}',
        "a quota in JSON": b'{"message":"You have exceeded the MONTHLY quota for Requests on your current plan"}',
        "a list of errors": b'{"errors":[{"detail":"boom"}],"status":"error"}',
        "success is false": b'{"success":false,"error":{"code":101,"info":"invalid access key"}}',
        "random bytes": bytes(range(256)) * 8,
    }
    others = {
        "pdf": b"%PDF-1.4\n%%EOF\n",
        "zip": small_zip(),
        "gz": gzip.compress(b"<html>no</html>", mtime=0),
        "sqlite": b"SQLite format 3\0" + bytes(84),
        "parquet": b"PAR1" + bytes(64) + b"PAR1",
        "json": json.dumps({"games": []}).encode(),
        "csv": b"a,b\n1,2\n",
    }
    return bodies | {f"another kind: {kind}": body for kind, body in others.items() if kind != parses}


def damages(good: bytes) -> dict[str, bytes]:
    """A good body that something happened to on the way."""
    half = len(good) // 2
    again = gzip.compress(good, mtime=0)
    return {
        "cut to one byte": good[:1],
        "cut to the first tenth": good[: max(2, len(good) // 10)],
        "cut in the middle": good[:half],
        "the second half": good[half:],
        "zeros where the middle was": good[: half - half // 2] + bytes(half) + good[half + half // 2 :],
        "packed once more": again if good[:2] != again[:2] else again[:-9],
        "in base64 or so": b"data:;base64," + good.hex().encode(),
        "HTML before it": page("Notice", "Session") + good,
    }
