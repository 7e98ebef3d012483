"""Ports in, a refusal out where one cannot be had: told at once, and with the setting that names another."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from adce_assets.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a component will listen, and the setting that says so."""

    setting: str
    address: str
    port: int


def refuse_taken(ports: Iterable[Listening]) -> None:
    """Listen on each port for a moment, and alone; ServiceError says which cannot be had."""
    for one in ports:
        family = socket.AF_INET6 if ":" in one.address else socket.AF_INET
        try:
            socket.create_server((one.address, one.port), family=family, reuse_port=False).close()
        except OSError as error:
            hint = f"choose another `{one.setting}` in config/autonomous_config.yaml, or end what has this one"
            where = f"{one.address}:{one.port}"
            raise ServiceError(f"cannot listen: {error.strerror}", where=where, hint=hint) from error
