"""The kinds of all families, put together: `Parameters` reads the entry of a metric, `measure` measures it."""

import functools
import math
import operator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adce_assets.dims.kinds import databases, lake, loop, open_days, project
from adce_assets.dims.kinds.kind import Kind, KindParameters
from adce_assets.dims.metrics import Value
from adce_assets.dims.world import World
from adce_assets.errors import MetricError


def name_of(kind: Kind) -> str:
    """Name a kind as an entry of a metric does."""
    return kind.parameters.model_fields["kind"].annotation.__args__[0]  # pyrefly: ignore[missing-attribute]


FAMILIES = (lake, open_days, loop, project, databases)
KINDS = {name_of(kind): kind for family in FAMILIES for kind in family.KINDS}
"""The kinds by name."""

if TYPE_CHECKING:
    Parameters = KindParameters
else:
    _MODELS: Any = [kind.parameters for kind in KINDS.values()]
    Parameters = Annotated[functools.reduce(operator.or_, _MODELS), Field(discriminator="kind")]


def measure(world: World, parameters: KindParameters) -> Value:
    """Measure what the parameters of a metric say.

    Raises:
        AdceError: it cannot be measured, for the reason that is said.
    """
    value: Value = KINDS[parameters.kind].measure(world, parameters)
    if isinstance(value, float) and not math.isfinite(value):
        raise MetricError(f"what was measured is no number: {value}", where=parameters.kind)
    return value
