"""How a key stands in, its row in the database out, and back."""

from collections.abc import Mapping
from datetime import datetime
from json import JSONDecoder
from typing import Any

import sqlalchemy as sa

from adce_assets.ledger.chain import moment_text
from adce_assets.ledger.keys import KeyState
from adce_assets.ledger.transitions import State

_detail = JSONDecoder().raw_decode
"""Half the time of `json.loads`, which looks for other ways to write the same."""
_moment = datetime.fromisoformat
_STATES = {state.value: state for state in State}
_TEXTS = {state: text for text, state in _STATES.items()}

Row = tuple[Any, ...]
"""A row of the keys, as it is kept."""


def state_of(row: sa.Row[Any]) -> KeyState:
    """Read a row of the keys."""
    return standing_of(row, {} if row[-1] == "{}" else _detail(row[-1])[0])


def standing_of(row: sa.Row[Any], detail: Mapping[str, Any]) -> KeyState:
    """Read a row of the keys, whose detail was read already or is not asked for."""
    key, source, data_type, season, state, seq, own, since, run, task, lease, failures, probes, *rest = row
    probed_at, next_at, detected_at, closed_at, _ = rest
    return KeyState(
        key,
        source,
        data_type,
        season,
        _STATES[state],
        seq,
        own,
        _moment(since),
        run,
        task,
        lease and _moment(lease),
        failures,
        probes,
        probed_at and _moment(probed_at),
        next_at and _moment(next_at),
        detected_at and _moment(detected_at),
        closed_at and _moment(closed_at),
        detail,
    )


def row_of(state: KeyState, detail: str) -> Row:
    """Write the row of a key; ``detail`` is its detail as it is kept."""
    return (
        state.key,
        state.source,
        state.data_type,
        state.season,
        _TEXTS[state.state],
        state.seq,
        state.hash,
        moment_text(state.since),
        state.run,
        state.task,
        text_of(state.lease_until),
        state.failures,
        state.probes,
        text_of(state.probed_at),
        text_of(state.next_at),
        text_of(state.detected_at),
        text_of(state.closed_at),
        detail,
    )


def moment_of(text: str | None) -> datetime | None:
    """Read a moment that may be none."""
    return datetime.fromisoformat(text) if text else None


def text_of(moment: datetime | None) -> str | None:
    """Write a moment that may be none."""
    return None if moment is None else moment_text(moment)
