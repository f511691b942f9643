"""What can go wrong with the catalog, said so that a person knows the way out."""

from collections.abc import Iterable

from catalog.slugs import nearest_names


class CatalogError(Exception):
    """Root of everything the catalog raises; its text is fit to be shown to a person."""


class NotFound(CatalogError):
    """A thing was asked for by a name that the catalog does not know.

    nearest: the known names most like the one asked for, best first.
    """

    def __init__(self, kind: str, name: str, *, known: Iterable[str] = (), hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.nearest = nearest_names(name, known)
        super().__init__(" ".join(part for part in (f"There is no {kind} {name!r}.", self._guess(), hint) if part))

    def _guess(self) -> str:
        if not self.nearest:
            return ""
        return f"Did you mean {' or '.join(repr(name) for name in self.nearest)}?"


class BadQuery(CatalogError):
    """A list was asked for in a way that has no answer: an unknown sort, a foreign cursor, a limit out of range."""


class BadRecord(CatalogError):
    """A value handed to the writer contradicts itself or the dictionary it is for."""


class BadLabel(BadRecord):
    """A label says nothing, says too much, or cannot be changed in the way asked for."""


class LabelChanged(CatalogError):
    """Somebody else changed a label first. found: the version that it is at now."""

    def __init__(self, key: str, *, expected: int, found: int) -> None:
        self.key, self.expected, self.found = key, expected, found
        super().__init__(
            f"Somebody changed this label meanwhile: it is at version {found}, and your change was made to version "
            f"{expected}. Nothing was overwritten; bring the two together and save again."
        )


class JobOver(CatalogError):
    """Something was asked of a job that is over."""


class CorruptRow(CatalogError):
    """Stored bytes cannot be read back."""


class WrongRevision(CatalogError):
    """The database was made by an older or a newer version of the code."""


class Unreachable(CatalogError):
    """The database cannot be opened or does not answer."""


class Busy(CatalogError):
    """Another process held the database for longer than we wait."""


class StorageFull(CatalogError):
    """There is no room left where the database lives."""


class BackupFailed(CatalogError):
    """A backup cannot be written or put back."""


class BadArchive(CatalogError):
    """A file is no backup, or a damaged one."""


class NotEmpty(CatalogError):
    """A backup would have to overwrite what a catalog holds already."""
