"""Where a model's files are: a local folder, or the local copy of a hub repository."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from worker.lm.errors import ModelFilesError, ModelNotFound

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.txt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model in the Hugging Face folder layout.

    name: what people call it. source: what was asked for. revision: the hub's commit, None for a folder.
    """

    name: str
    source: str
    folder: Path
    revision: str | None

    @property
    def weights(self) -> tuple[Path, ...]:
        """The weight files, safetensors before pickled ones, sorted by name."""
        found = sorted(self.folder.glob("*.safetensors"))
        return tuple(found or sorted(self.folder.glob("pytorch_model*.bin")))

    def config(self) -> dict[str, Any]:
        """config.json. Raises ModelFilesError where it cannot be read."""
        path = self.folder / "config.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelFilesError(f"{path} cannot be read as a model's configuration: {error}.") from error


def find_model(source: str | Path) -> ModelFiles:
    """The files of a local folder or, where no such folder exists, of a hub repository.

    A folder never touches the network. A hub name is fetched once and then found in the hub's own cache.
    Raises ModelNotFound and ModelFilesError.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        files = ModelFiles(name=folder.resolve().name, source=str(source), folder=folder, revision=None)
    else:
        files = _fetched(str(source), folder)
    _check_complete(files)
    return files


def _fetched(source: str, folder: Path) -> ModelFiles:
    if folder.exists():
        raise ModelNotFound(
            f"{source!r} is a file; a model is a folder with config.json, model.safetensors and tokenizer.json."
        )
    local_looking = len(folder.parts) != 2 or Path(folder.parts[0]).is_dir()
    if not _HUB_NAME.fullmatch(source) or (local_looking and len(folder.parts) != 1):
        raise ModelNotFound(
            f"There is no folder {source!r}. Give a model's folder, or a hub name such as 'openai-community/gpt2'."
        )
    try:
        path = Path(snapshot_download(source, allow_patterns=[*_SMALL_FILES, "*.safetensors"]))
        if not any(path.glob("*.safetensors")):
            path = Path(snapshot_download(source, allow_patterns=[*_SMALL_FILES, "pytorch_model*.bin"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelNotFound(
            f"{source!r} is no folder here, and the Hugging Face hub does not give it: {first_line} "
            "Check the spelling, the network, and for a gated model your hub token."
        ) from error
    return ModelFiles(name=source, source=source, folder=path, revision=path.name)


def _check_complete(files: ModelFiles) -> None:
    if not (files.folder / "config.json").is_file():
        raise ModelFilesError(f"{files.folder} has no config.json; a model is a folder as Hugging Face lays it out.")
    if not files.weights:
        raise ModelFilesError(f"{files.folder} has no weights; expected model.safetensors or its shards.")
    files.config()
    index = files.folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        if missing := sorted(shards - {path.name for path in files.weights}):
            raise ModelFilesError(
                f"{files.folder} lacks {', '.join(missing)}, named in {index.name}. Copy the missing files."
            )
