"""How a service was started in, and out again for those who ask later: a small file in its folder.

Who asks has another environment than the components, and files that may have changed since.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "started.json"
MODES = ("ADCE_DRY_RUN", "ADCE_TEST_MODE")
"""The variables that say how a service is meant, by their names."""


class Started(BaseModel):
    """How a service was started.

    Attributes:
        url: Where its pages are.
        modes: Those of `MODES` that its components have in their environment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    modes: dict[str, str]

    def over(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return an environment with the modes of the service in the place of its own."""
        return {name: value for name, value in environment.items() if name not in MODES} | self.modes


def noted(url: str, environment: Mapping[str, str]) -> str:
    """Write the file of a service that is started with an environment."""
    modes = {name: environment[name] for name in MODES if name in environment}
    return Started(url=url, modes=modes).model_dump_json()


def read(folder: Path) -> Started | None:
    """Read the file; None where there is none that can be read, as where an older release has started the service."""
    try:
        return Started.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
