"""The packages that the demo model learns from: pins them, and fetches their sdists.

Nothing of a package is ever run: an archive is only read.
"""

import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from pypi_simple import DistributionPackage, NoSuchProjectError, PyPISimple

from worker.demo.licences import permissive_licence

PINS = Path(__file__).with_name("packages.json")
NAMES = Path(__file__).with_name("package_names.txt")
CACHE = Path("build/demo/sdists")
_HELD_OUT_MARK = "[held out]"
_MAX_BYTES = 60_000_000
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PinnedPackage:
    """One version of one package.

    filename, sha256: of its source archive on the package index.
    held_out: never trained on; its text measures what training achieved.
    """

    name: str
    version: str
    licence: str
    filename: str
    sha256: str
    held_out: bool


def pinned_packages() -> list[PinnedPackage]:
    """The packages in the order of the pin file. Raises FileNotFoundError before pinning."""
    return [PinnedPackage(**fields) for fields in json.loads(PINS.read_text())]


def wanted_names() -> dict[str, bool]:
    """The names of the list, each with whether it is held out."""
    lines = [line.split("#")[0].strip() for line in NAMES.read_text().split("\n")]
    split = lines.index(_HELD_OUT_MARK)
    trained = {name: False for line in lines[:split] for name in line.split()}
    return trained | {name: True for line in lines[split + 1 :] for name in line.split()}


def fetch(pin: PinnedPackage) -> Path:
    """The path of the package's archive, downloaded unless it is in the cache.

    Raises LookupError when the index no longer has the file; the download itself
    verifies the digest.
    """
    path = CACHE / pin.filename
    if path.exists():
        return path
    with PyPISimple() as index:
        page = index.get_project_page(pin.name, timeout=_TIMEOUT_SECONDS)
        for package in page.packages:
            if package.filename == pin.filename:
                return _download(index, package)
    raise LookupError(
        f"The package index has no file {pin.filename!r} of {pin.name!r} any more. "
        "Pin again: python -m worker.demo.packages."
    )


def main() -> None:
    """Pins the newest permissively licensed release of each name in the list."""
    CACHE.mkdir(parents=True, exist_ok=True)
    names = wanted_names()
    with ThreadPoolExecutor(max_workers=12) as threads:
        found = threads.map(_pin, names.keys(), names.values())
        pins = [pin for pin in found if pin is not None]
    pins.sort(key=lambda pin: (pin.held_out, pin.name.lower()))
    PINS.write_text(json.dumps([asdict(pin) for pin in pins], indent=1) + "\n")
    print(f"{len(pins)} of {len(names)} packages pinned in {PINS.name}.")


def _pin(name: str, held_out: bool) -> PinnedPackage | None:
    with PyPISimple() as index:
        try:
            package = _newest_sdist(index, name)
        except NoSuchProjectError:
            package = None
        if package is None or package.version is None:
            print(f"{name}: left out, no source archive of at most {_MAX_BYTES // 10**6} MB.")
            return None
        path = _download(index, package)
    licence = _licence(path)
    if licence is None:
        print(f"{name} {package.version}: left out, its licence is not clearly permissive.")
        return None
    return PinnedPackage(
        name=name,
        version=package.version,
        licence=licence,
        filename=package.filename,
        sha256=package.digests["sha256"],
        held_out=held_out,
    )


def _newest_sdist(index: PyPISimple, name: str) -> DistributionPackage | None:
    page = index.get_project_page(name, timeout=_TIMEOUT_SECONDS)
    sdists = [package for package in page.packages if _is_wanted(package)]
    return max(sdists, key=_release_order, default=None)


def _is_wanted(package: DistributionPackage) -> bool:
    if package.package_type != "sdist" or package.is_yanked or not package.version:
        return False
    released = all(part.isdigit() for part in package.version.split("."))
    small = package.size is None or package.size <= _MAX_BYTES
    return released and small and package.filename.endswith((".tar.gz", ".tgz", ".tar.bz2"))


def _release_order(package: DistributionPackage) -> tuple[int, ...]:
    return tuple(int(part) for part in (package.version or "0").split("."))


def _download(index: PyPISimple, package: DistributionPackage) -> Path:
    path = CACHE / package.filename
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        index.download_package(package, partial, timeout=_TIMEOUT_SECONDS)
        partial.replace(path)
    return path


def _licence(archive: Path) -> str | None:
    metadata = _metadata(archive)
    return permissive_licence(metadata) if metadata is not None else None


def _metadata(archive: Path) -> Message | None:
    with tarfile.open(archive) as files:
        for member in _top_level(files):
            stream = files.extractfile(member)
            if stream is not None:
                return Parser().parsestr(stream.read().decode("utf-8", errors="replace"))
    return None


def _top_level(files: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in files:
        if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
            yield member


if __name__ == "__main__":
    main()
