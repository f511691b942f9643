"""Finds a dictionary's folder: on this machine, or in a repository of the Hugging Face hub."""

import re
from pathlib import Path

import httpx
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from worker.sae.errors import DictionaryFileError

REPOSITORY = re.compile(r"^(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w.-]+))?(?:/(?P<folder>.+))?$")
ROOT_FILES = ["*cfg.json", "sae_weights.safetensors", "activation_scaler.json"]


def locate(path_or_repo: str | Path, *, cache_folder: Path | None = None, local_files_only: bool = False) -> Path:
    """A folder on this machine; what names none is taken as `owner/name[@revision][/folder]` on the hub.

    From a repository without a named folder only its configurations and what lies at its root are fetched.
    Raises DictionaryFileError where there is neither.
    """
    folder = Path(path_or_repo).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DictionaryFileError(
            f"{str(folder)!r} is a file; give the folder that holds the dictionary's configuration and weights."
        )
    named = REPOSITORY.match(str(path_or_repo))
    if named is None or folder.is_absolute() or str(path_or_repo).startswith(("~", ".")):
        raise DictionaryFileError(f"There is no folder {str(folder)!r}; give a folder, or owner/name on the hub.")
    inner = named["folder"]
    patterns = [f"{inner}/*"] if inner else ROOT_FILES
    try:
        snapshot = snapshot_download(
            named["repo"],
            revision=named["revision"],
            allow_patterns=patterns,
            cache_dir=cache_folder,
            local_files_only=local_files_only,
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError) as error:
        raise DictionaryFileError(
            f"There is no folder {str(folder)!r} here, and the hub did not give the repository {named['repo']!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    found = Path(snapshot) / inner if inner else Path(snapshot)
    if not found.is_dir():
        raise DictionaryFileError(f"The repository {named['repo']!r} has no folder {inner!r}.")
    return found
