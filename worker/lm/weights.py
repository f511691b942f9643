"""The hash of a model's weights, and the check that its files are whole."""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from worker.lm.errors import ModelFilesError

_HEADER_LENGTH = struct.Struct("<Q")
_LONGEST_HEADER = 100_000_000
_BLOCK = 1 << 22
_THREADS = 4


@dataclass(frozen=True, slots=True)
class _StoredTensor:
    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def hash_weights(paths: Sequence[Path]) -> str:
    """SHA-256 over every tensor's name, dtype, shape and bytes, in the order of names.

    Neither sharding nor the metadata of the files changes it. Pickled weights (`.bin`) are hashed as files.
    Raises ModelFilesError on a corrupt or truncated file, which is named.
    """
    tensors = [tensor for path in paths if path.suffix == ".safetensors" for tensor in _stored_tensors(path)]
    tensors.sort(key=lambda tensor: tensor.name)
    pickled = [path for path in paths if path.suffix != ".safetensors"]
    with ThreadPoolExecutor(_THREADS) as threads:
        digests = list(threads.map(_tensor_digest, tensors)) + list(threads.map(_file_digest, pickled))
    total = hashlib.sha256()
    for digest in digests:
        total.update(digest)
    return total.hexdigest()


def _stored_tensors(path: Path) -> Iterator[_StoredTensor]:
    """Reads the header of a safetensors file and checks that the bytes it promises are there."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER_LENGTH.size)
        length = _HEADER_LENGTH.unpack(head)[0] if len(head) == _HEADER_LENGTH.size else size
        if length > min(size, _LONGEST_HEADER):
            raise _corrupt(path, f"its header claims {length} bytes and the file has {size}")
        header = _parsed_header(path, file.read(length))
    begin = _HEADER_LENGTH.size + length
    header.pop("__metadata__", None)
    last = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if begin + last != size:
        raise _corrupt(path, f"its header asks for {begin + last} bytes and the file has {size}")
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        yield _StoredTensor(path, name, entry["dtype"], tuple(entry["shape"]), begin + start, begin + end)


def _parsed_header(path: Path, text: bytes) -> dict:
    try:
        header = json.loads(text)
        for name, entry in header.items():
            if name != "__metadata__" and not {"dtype", "shape", "data_offsets"} <= set(entry):
                raise _corrupt(path, f"tensor {name!r} is not described in its header")
    except (ValueError, AttributeError, TypeError) as error:
        raise _corrupt(path, "its header is not JSON") from error
    return header


def _corrupt(path: Path, reason: str) -> ModelFilesError:
    return ModelFilesError(f"{path} is corrupt or truncated: {reason}. Copy or download the file again.")


def _tensor_digest(tensor: _StoredTensor) -> bytes:
    described = json.dumps([tensor.name, tensor.dtype, list(tensor.shape)])
    return _digest(tensor.path, described, tensor.start, tensor.end)


def _file_digest(path: Path) -> bytes:
    return _digest(path, path.name, 0, path.stat().st_size)


def _digest(path: Path, described: str, start: int, end: int) -> bytes:
    digest = hashlib.sha256(described.encode())
    with path.open("rb") as file:
        file.seek(start)
        for first in range(start, end, _BLOCK):
            digest.update(file.read(min(_BLOCK, end - first)))
    return digest.digest()
