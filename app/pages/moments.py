"""Times as people read them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: for people to the minute, for programs as the catalog wrote it."""

    iso: str

    @property
    def words(self) -> str:
        """Day and minute, UTC."""
        return f"{self.iso[:10]} {self.iso[11:16]} UTC"
