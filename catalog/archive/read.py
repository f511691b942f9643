"""Reads an archive: everything in it is checked before anybody trusts it, and nothing is unpacked to disk."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalog.archive.layout import LONGEST_MANIFEST, MANIFEST, Entry, Hashing, Manifest
from catalog.errors import BadArchive

CHUNK_BYTES = 1_000_000
DAMAGED = (zipfile.BadZipFile, KeyError, EOFError, RuntimeError, pa.ArrowException, ValueError)


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive."""

    path: Path
    manifest: Manifest
    _zip: zipfile.ZipFile

    def verify(self, *, on_progress: Callable[[str, int, int], None] | None = None) -> None:
        """Reads all of it. on_progress: told a table's name and the bytes done and in all.

        Raises BadArchive naming the table whose bytes are not those that were written.
        """
        total, done = sum(entry.n_bytes for entry in self.manifest.tables), 0
        for entry in self.manifest.tables:
            with _said_plainly(self.path), self._zip.open(entry.file) as stream:
                hashing = Hashing(stream)
                while hashing.read(CHUNK_BYTES):
                    if on_progress is not None:
                        on_progress(entry.table, done + hashing.n_bytes, total)
            if (hashing.n_bytes, hashing.hexdigest()) != (entry.n_bytes, entry.sha256):
                raise BadArchive(
                    f"The backup {str(self.path)!r} is damaged: the checksum of its table {entry.table!r} is "
                    f"{hashing.hexdigest()[:12]}, {entry.sha256[:12]} was written. Use another backup."
                )
            done += entry.n_bytes

    def batches(self, entry: Entry) -> Iterator[pa.RecordBatch]:
        """The rows of a table, some megabytes at a time. Raises BadArchive where they are not what it names."""
        rows = 0
        with _said_plainly(self.path), self._zip.open(entry.file) as stream:
            with pa.ipc.open_stream(pa.PythonFile(stream, mode="r")) as reader:
                if not reader.schema.equals(entry.arrow_schema):
                    raise BadArchive(f"The columns of {entry.table!r} in {str(self.path)!r} are not those it names.")
                for batch in reader:
                    batch.validate(full=True)
                    rows += batch.num_rows
                    yield batch
        if rows != entry.rows:
            raise BadArchive(f"{entry.table!r} in {str(self.path)!r} has {rows} rows; {entry.rows} were written.")


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The archive in a file. Raises BadArchive where it is none, or is cut off."""
    with _said_plainly(path):
        opened = zipfile.ZipFile(path)
    with opened:
        yield Archive(path, _manifest_of(path, opened), opened)


def _manifest_of(path: Path, opened: zipfile.ZipFile) -> Manifest:
    with _said_plainly(path):
        if opened.getinfo(MANIFEST).file_size > LONGEST_MANIFEST:
            raise BadArchive(f"{str(path)!r} is no backup of a catalog: its manifest is too long.")
        manifest = Manifest.from_json(opened.read(MANIFEST))
        for entry in manifest.tables:
            if opened.getinfo(entry.file).compress_type != zipfile.ZIP_STORED:
                raise BadArchive(f"{str(path)!r} is no backup of a catalog: {entry.file!r} is deflated.")
    return manifest


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise BadArchive(
            f"{str(path)!r} is no backup of a catalog, or a damaged one ({error}). Use another backup."
        ) from error
    except FileNotFoundError:
        raise BadArchive(f"There is no backup {str(path)!r}.") from None
    except OSError as error:
        raise BadArchive(f"The backup {str(path)!r} cannot be read: {error.strerror or error}.") from error
