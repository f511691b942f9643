"""Labels for the tests of this folder, each by somebody."""

from catalog.label_records import LabelContent, PersonRecord
from catalog.label_text import label_content
from catalog.writer import CatalogWriter

KIM, ADA, ROOT = PersonRecord("kim", "labeller"), PersonRecord("ada", "labeller"), PersonRecord("root", "admin")


def say(writer: CatalogWriter, index: int, text: str, *, by: str = "kim") -> str:
    """Propose a label of a feature of the small catalog; its key."""
    return writer.labels.propose(("tiny-sae", index), label_content(text), by=PersonRecord(by, "labeller"))


def worded(text: str, **more: object) -> LabelContent:
    """A wording."""
    return label_content(text, **more)  # pyright: ignore[reportArgumentType]
