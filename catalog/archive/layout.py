"""What is in an archive: its manifest, and how the columns of a table are written in Arrow."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any, get_args

import pyarrow as pa

from catalog.archive.tables import Column, Kind
from catalog.errors import BadArchive

FORMAT = "featurescope-catalog"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
LONGEST_MANIFEST = 4_000_000
ARROW: dict[Kind, pa.DataType] = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "json": pa.string(),
    "bytes": pa.binary(),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One table. rows, n_bytes, sha256: of its stream in the archive."""

    table: str
    columns: tuple[Column, ...]
    rows: int
    n_bytes: int
    sha256: str

    @property
    def file(self) -> str:
        """The name of its stream inside the archive."""
        return f"tables/{self.table}.arrow"

    @property
    def arrow_schema(self) -> pa.Schema:
        """Names and types of its columns."""
        return arrow_schema(self.columns)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself. Tables stand in an order in which they can be filled.

    revision: of the database it was taken from. database: sqlite or postgresql. made_at: ISO 8601, UTC.
    """

    revision: str
    database: str
    version: str
    made_at: str
    tables: tuple[Entry, ...]

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(entry.rows for entry in self.tables)

    def to_json(self) -> str:
        """As it stands in the archive."""
        return json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        """Raises BadArchive where this is no manifest, or one of a later format."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise BadArchive(f"The file is of format {values['format']!r}; a backup is of {FORMAT!r}.")
            if values["format_version"] != FORMAT_VERSION:
                raise BadArchive(
                    f"The backup is of format {values['format_version']!r}, this code reads {FORMAT_VERSION}. A newer "
                    "Featurescope made it: update the code."
                )
            named = {name: str(values[name]) for name in ("revision", "database", "version", "made_at")}
            return cls(**named, tables=tuple(_entry(entry) for entry in values["tables"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadArchive(f"The backup's manifest cannot be read: {error!r}. Take another backup.") from error


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Names and types of columns."""
    return pa.schema([pa.field(column.name, ARROW[column.kind]) for column in columns])


class Hashing:
    """A stream that counts and hashes what passes through it, for either direction."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.n_bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Pass on to the stream."""
        self._note(data)
        return self._stream.write(data)

    def read(self, size: int = -1) -> bytes:
        """Take from the stream."""
        data = self._stream.read(size)
        self._note(data)
        return data

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """The stream's owner closes it."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def hexdigest(self) -> str:
        """SHA-256 of everything so far."""
        return self._hash.hexdigest()

    def _note(self, data: Any) -> None:
        self._hash.update(data)
        self.n_bytes += len(data)


def _entry(values: Mapping[str, Any]) -> Entry:
    columns = tuple(Column(str(each["name"]), each["kind"]) for each in values["columns"])
    unknown = [column.kind for column in columns if column.kind not in get_args(Kind)]
    if unknown or not str(values["table"]).isidentifier():
        raise BadArchive(f"The backup's table {values['table']!r} has columns that are none: {unknown}.")
    return Entry(
        table=str(values["table"]),
        columns=columns,
        rows=int(values["rows"]),
        n_bytes=int(values["n_bytes"]),
        sha256=str(values["sha256"]),
    )
