"""What a kind is made of: a model of its parameters and a function that measures. No kind is known here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World


class KindParameters(BaseModel):
    """The parameters of a kind, which names itself in ``kind``, a literal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of metric.

    Attributes:
        parameters: What stands in the entry of a metric.
        measure: Measures it; AdceError, with the reason, for what cannot be measured.
    """

    parameters: type[KindParameters]
    measure: Callable[[World, Any], Value]
