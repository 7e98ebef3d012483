"""A receipt as a run writes it, of which only the key, the moment and the size matter."""

from datetime import datetime

from adce_assets.ledger.receipts import Receipt


def receipt(key: str, at: datetime, size: int = 7) -> Receipt:
    """Say that an object was written."""
    return Receipt(
        key=key,
        bytes=size,
        sha256="0" * 64,
        records=None,
        task="t",
        run="r",
        attempt=1,
        fetched_at=at,
        promoted_at=at,
        url="",
    )
