import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adce_assets.errors import ConditionFailedError, VerifyError
from adce_assets.lake.store import LakeStore, open_store
from adce_assets.ledger.evidence import AbsentKey, read_evidence, write_evidence

NOW = datetime(2025, 1, 15, 23, 30, tzinfo=UTC)
CELL = {"source": "espn", "data_type": "play_by_play", "season": "2024-25"}
KEY = "_adce/evidence/2025-01-15/espn.play_by_play.2024-25.run-1.json"


@pytest.fixture
def store(tmp_path: Path) -> LakeStore:
    return open_store(tmp_path.as_uri())


def absent(**changes: Any) -> AbsentKey:
    fields = {
        "key": "pbp/401.json",
        "url": "https://example.org/401",
        "status": 404,
        "what": "answered 404",
        "sha256": None,
        "seen_at": NOW,
        "probe_again_at": NOW + timedelta(days=30),
    }
    return AbsentKey.model_validate(fields | changes)


def test_what_is_written_is_read_back(store: LakeStore):
    entries = [absent(), absent(key="pbp/402.json", status=200, sha256="a" * 64)]
    key = write_evidence(store, "run-1", **CELL, entries=entries)
    assert key == KEY
    assert read_evidence(key, store.get(key)) == tuple(entries)


def test_the_same_may_be_written_again_but_nothing_else_in_its_place(store: LakeStore):
    write_evidence(store, "run-1", **CELL, entries=[absent()])
    write_evidence(store, "run-1", **CELL, entries=[absent()])
    with pytest.raises(ConditionFailedError):
        write_evidence(store, "run-1", **CELL, entries=[absent(status=410)])


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ""},
        {"status": 99},
        {"status": "404"},
        {"what": ""},
        {"what": "a\nb"},
        {"sha256": "abc"},
        {"seen_at": NOW.replace(tzinfo=None)},
        {"probe_again_at": NOW},
        {"more": 1},
    ],
)
def test_evidence_that_nobody_would_believe_cannot_be_made(changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        absent(**changes)


@pytest.mark.parametrize("run_id", ["", "..", "a/b", "a.b", "r" * 121])
def test_no_run_id_leads_elsewhere(store: LakeStore, run_id: str):
    with pytest.raises(VerifyError):
        write_evidence(store, run_id, **CELL, entries=[absent()])


def test_evidence_of_nothing_is_not_written(store: LakeStore):
    with pytest.raises(VerifyError):
        write_evidence(store, "run-1", **CELL, entries=[])


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        (KEY.replace("2024-25", "2023-24"), {}),
        (KEY.replace("evidence", "receipts"), {}),
        (KEY.replace(".run-1", ""), {}),
        (KEY, {"schema": 2}),
        (KEY, {"absent": []}),
        (KEY, {"absent": [{"key": "x"}]}),
        (KEY, {"more": 1}),
    ],
)
def test_a_record_that_is_not_as_written_is_not_believed(store: LakeStore, key: str, changes: dict[str, Any]):
    written = json.loads(store.get(write_evidence(store, "run-1", **CELL, entries=[absent()])))
    with pytest.raises(VerifyError):
        read_evidence(key, json.dumps(written | changes).encode())
