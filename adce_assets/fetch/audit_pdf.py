"""A PDF in; its pages, lines and the texts that it must hold out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adce_assets.fetch import confined
from adce_assets.fetch.bodies import Body
from adce_assets.fetch.notices import FEW, refuse_page
from adce_assets.fetch.requirements import Requirements
from adce_assets.fetch.surveys import Table

READER = "adce_assets.fetch.read_pdf"


@dataclass(frozen=True, slots=True)
class Pdf:
    """A PDF, as the demands see it."""

    pages: int
    text: str

    def find(self, spelling: str) -> Sequence[Table]:
        """Count ``pages`` or ``lines``, or tell that a text is there."""
        if spelling == "pages":
            return [Table(spelling, (), self.pages)]
        if spelling == "lines":
            return [Table(spelling, (), sum(1 for line in self.text.splitlines() if line.strip()))]
        return [Table(spelling, (), 1)] if " ".join(spelling.split()) in " ".join(self.text.split()) else []

    def told(self, id_path: str) -> Sequence[str]:  # noqa: ARG002 - a PDF says it somewhere in its text
        """Give the text in one line, which says somewhere what it is about."""
        words = " ".join(self.text.split())
        return [words] if words else []


def pdf_view(body: Body, requirements: Requirements, entity: Mapping[str, str]) -> Pdf:  # noqa: ARG001 - as all views
    """Read a PDF through."""
    found = confined.read(READER, body, {"text": True})
    pdf = Pdf(found["pages"], found["text"])
    refuse_page("", pdf.text[:FEW] if len(pdf.text) < FEW and not requirements.must_have else "")
    return pdf
