"""Serve recorded answers on this machine, collect them through the catalogue, and show every fact that is in them.

    python benchmarks/recorded_answers.py FOLDER

``FOLDER/index.json`` lists recordings with ``file``, ``url``, ``facts`` and sometimes a ``note``. For each URL the
scraper is found that asks it, and the key of the contract that it fills; that key is planned, asked for over a socket,
staged, audited and promoted into a lake of files, as in any run. Then the facts are read from what lies in the lake.
Prints a line a recording, and one for each fact that is not seen; exits 1 if there is such a fact, 2 if no recording
belongs to a scraper. Recordings that no scraper asks for, and those that the folder itself calls cut, are named.
"""

import importlib
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from recorded_facts import unseen
from recorded_questions import Question, question_of

from adce_assets.contract.loading import Contract, load_contract
from adce_assets.errors import AdceError
from adce_assets.fetch.client import Client, user_agent
from adce_assets.fetch.limits import Limits
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.scrapers.catalogue import Catalogue, load_catalogue
from adce_assets.scrapers.collect import wanted
from adce_assets.scrapers.interface import ConfirmedEmpty, Failed
from adce_assets.scrapers.promoting import Promoted, settle

ROOT = Path(__file__).resolve().parents[1]
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
UNUSED = "no-credential-is-needed-here"
BEGINNING = 60
EMPTY = "valid_but_empty"
CUT = ("trimmed", "cut to")
"""Words by which a note says that a recording is not whole."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What came of a recording: the documents by data set, or why there is none."""

    documents: Mapping[str, bytes]
    records: Mapping[str, int | None]
    refused: str = ""
    absent: str = ""


class Source:
    """Answers every request with one file, whatever it was asked."""

    def __init__(self) -> None:
        self.body, self.content_type, self.asked = b"", "", ""
        self.moment = SOME_DAY
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                source.asked = self.path
                self.send_response_only(200)
                self.send_header("Date", format_datetime(source.moment, usegmt=True))
                self.send_header("Content-Type", source.content_type)
                self.send_header("Content-Length", str(len(source.body)))
                self.end_headers()
                self.wfile.write(source.body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["Source"]:
        """Serve until the block ends."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


def main(folder: Path) -> int:
    """Collect every recording of the folder; return the exit code."""
    entries = json.loads((folder / "index.json").read_text("utf-8"))["entries"]
    contract = load_contract(ROOT / "inventory" / "data_inventory.yaml")
    catalogue = load_catalogue(ROOT / "config" / "scraper_config.yaml")
    facts = lacking = collected = 0
    others, cut = [], []
    print(f"{'recording':58}{'scraper':34}{'records':>8}  facts")
    with Source().running() as source:
        for number, entry in enumerate(entries):
            question = question_of(entry["url"], _told(entry, folder), contract, catalogue)
            if question is None:
                others.append(entry["file"])
                continue
            seen = _collected(folder, entry, number, question, contract, catalogue, source)
            faults = _faults(entry, seen)
            excused = faults and any(word in entry.get("note", "") for word in CUT)
            cut += [entry["file"]] if excused else []
            collected, facts = collected + 1, facts + len(entry["facts"])
            lacking += 0 if excused else len(faults)
            counted = max((count for count in seen.records.values() if count is not None), default="-")
            told = "cut: " if excused else ""
            print(f"{entry['file']:58}{question.scraper:34}{counted:>8}  {len(entry['facts']) - len(faults)} seen")
            for fault in faults:
                print(f"    {told}{fault}")
            difference = _asked_otherwise(entry["url"], source.asked)
            if difference:
                print(f"    asked otherwise: {difference}")
    print(f"{collected} recordings collected, {facts} facts, {lacking} not seen; {len(cut)} of them cut by the folder")
    print(f"no scraper asks for: {', '.join(others) or 'none'}")
    return int(lacking > 0) if collected else 2


def _collected(
    folder: Path,
    entry: Entry,
    number: int,
    question: Question,
    contract: Contract,
    catalogue: Catalogue,
    source: Source,
) -> Seen:
    """Go the whole way with one recording."""
    source.body, source.asked = (folder / entry["file"]).read_bytes(), ""
    source.content_type = entry.get("response_headers", {}).get("content-type", "")
    scraper = catalogue.scrapers[question.scraper]
    hosts = catalogue.with_base_urls({scraper.host: source.url + _path(catalogue, scraper.host)}).hosts
    source.moment = now = _recorded_at(entry, question)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "lake").mkdir()
        lake = open_store((Path(work) / "lake").as_uri())
        limits = Limits(Path(work) / "limits.sqlite")
        with Client(
            hosts, limits, agent=user_agent(catalogue.contact), now=lambda: now, secrets=lambda _: UNUSED
        ) as client:
            seen = _through(question, contract, catalogue, client, lake, Path(work), now, f"run{number}")
        limits.dispose()
    return seen


def _through(
    question: Question,
    contract: Contract,
    catalogue: Catalogue,
    client: Client,
    lake: LakeStore,
    work: Path,
    now: datetime,
    run_id: str,
) -> Seen:
    scraper = catalogue.scrapers[question.scraper]
    kind = importlib.import_module(f"adce_assets.scrapers.{scraper.kind}")
    asked = [wanted(contract, name, question.season, key, None) for name, key in question.keys.items()]
    documents: dict[str, bytes] = {}
    records: dict[str, int | None] = {}
    refused, absent = [], []
    for step in kind.plan(scraper, asked, now):
        outcomes = [step] if isinstance(step, Failed) else kind.answer(scraper, step, client, work)
        for outcome in outcomes:
            settled = settle(lake, outcome, run_id=run_id, clock=lambda: now)
            match settled:
                case Promoted():
                    documents[settled.wanted.data_set] = lake.get(settled.wanted.key)
                    records[settled.wanted.data_set] = settled.promotion.records
                case ConfirmedEmpty():
                    absent.append(settled.evidence.what)
                case Failed():
                    refused.append(f"{settled.wanted.data_set}: {_said(settled.error)}")
    return Seen(documents, records, "; ".join(refused), "; ".join(absent))


def _said(error: AdceError) -> str:
    return f"{type(error).__name__}: {error.what}" + (f" ({error.where})" if error.where else "")


def _faults(entry: Entry, seen: Seen) -> list[str]:
    """List the facts that are not in what was collected; an empty answer must have been taken for one."""
    facts = dict(entry["facts"])
    if facts.pop(EMPTY, False):
        counted = [count for count in seen.records.values() if count]
        empty = bool(seen.absent) or "EmptyAnswerError" in seen.refused or (seen.documents and not counted)
        return [] if empty else [f"{EMPTY}: {seen.refused or f'{counted} records'}"]
    if not seen.documents:
        return [f"{name}: not collected: {seen.refused or seen.absent}" for name in facts]
    faults = [f"refused: {seen.refused}"] if seen.refused else []
    return faults + list(unseen(facts, list(seen.documents.values())))


def _asked_otherwise(recorded: str, asked: str) -> str:
    """Say which parameters the scraper sends that the recording was not asked with, and the other way round."""
    before, now = (dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) for url in (recorded, asked))
    names = sorted(name for name in before.keys() | now.keys() if before.get(name, "") != now.get(name, ""))
    shown = [f"{name}={now.get(name, '')} for {before.get(name, '')}" for name in names if name.lower() != "apikey"]
    return ", ".join(shown)


def _recorded_at(entry: Entry, question: Question) -> datetime:
    """Say when an answer was recorded; else when it could have been: at the end of the day that it is about."""
    told = entry.get("recorded_at")
    if told and not question.only_present:
        moment = datetime.fromisoformat(told) if told[:1].isdigit() else parsedate_to_datetime(told)
        return moment.replace(tzinfo=moment.tzinfo or UTC)
    return question.day + timedelta(hours=12 if question.only_present else 30) if question.day else SOME_DAY


def _told(entry: Entry, folder: Path) -> str:
    """Join what is told of a recording beside its URL: by the index, and by its own beginning."""
    beginning = (folder / entry["file"]).read_bytes()[:BEGINNING].decode("utf-8", "replace")
    return json.dumps([entry["file"], entry["facts"], str(entry.get("recorded_at", "")), beginning])


def _path(catalogue: Catalogue, host: str) -> str:
    return urlsplit(catalogue.hosts[host].base_url).path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
