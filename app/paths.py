"""Addresses of pages and files: absolute paths on a server, relative ones in a folder opened from disk."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote_plus

PLACE = "{}"


class Paths(Protocol):
    """What templates link to. A dictionary is named by its slug."""

    def home(self) -> str:
        """The front page."""
        ...

    def dictionary(self, dictionary: str, **query: object) -> str:
        """The list of a dictionary's features, with its filters."""
        ...

    def feature(self, dictionary: str, index: int, **query: object) -> str:
        """One feature."""
        ...

    def static(self, name: str) -> str:
        """A file of `static/`."""
        ...


class StaticFileHashes:
    """Content hashes of the files in a folder, read once, so that addresses change with content."""

    def __init__(self, folder: Path) -> None:
        self._hashes = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def __getitem__(self, name: str) -> str:
        return self._hashes[name]


class SitePaths:
    """Paths on the server, below the prefix a proxy may add."""

    def __init__(self, hashes: StaticFileHashes, *, prefix: str = "") -> None:
        self._hashes = hashes
        self.prefix = prefix.rstrip("/")

    def home(self) -> str:
        """The front page."""
        return f"{self.prefix}/"

    def jobs(self) -> str:
        """Running and finished jobs."""
        return f"{self.prefix}/jobs"

    def jobs_part(self) -> str:
        """The list of jobs alone."""
        return f"{self.prefix}/jobs/list"

    def job_act(self, job_id: str, act: str) -> str:
        """Where a form asks something of a job."""
        return f"{self.prefix}/jobs/{quote_plus(job_id)}/{act}"

    def progress_part(self) -> str:
        """Running jobs alone, as the front page shows them."""
        return f"{self.prefix}/jobs/running"

    def sign_in(self, **query: object) -> str:
        """Where people sign in; `next` in the query is where they go then."""
        return f"{self.prefix}/sign-in{_query(query)}"

    def sign_out(self) -> str:
        """Where a form signs a browser out."""
        return f"{self.prefix}/sign-out"

    def join(self, **query: object) -> str:
        """Where whoever was invited chooses a password."""
        return f"{self.prefix}/join{_query(query)}"

    def account(self, act: str = "") -> str:
        """One's own page, and where its forms ask for something."""
        return f"{self.prefix}/account{'/' if act else ''}{act}"

    def people(self, act: str = "", **query: object) -> str:
        """Everybody, and where the forms of admins ask for something."""
        return f"{self.prefix}/people{'/' if act else ''}{act}{_query(query)}"

    def labels(self, **query: object) -> str:
        """What people say of features."""
        return f"{self.prefix}/labels{_query(query)}"

    def label(self, key: str) -> str:
        """One label with its history."""
        return f"{self.prefix}/labels/{quote_plus(key)}"

    def label_act(self, key: str, act: str) -> str:
        """Where a form does something to a label."""
        return f"{self.label(key)}/{act}"

    def feature_labels(self, dictionary: str, index: int) -> str:
        """The labels of one feature as a part, and where a form proposes one."""
        return f"{self.prefix}/d/{dictionary}/{index}/labels"

    def label_events(self, dictionary: str, index: int) -> str:
        """What happens to the labels of a feature, as events."""
        return f"{self.feature_labels(dictionary, index)}/events"

    def api_page(self) -> str:
        """The description of the JSON twins."""
        return f"{self.prefix}/api"

    def dictionary(self, dictionary: str, **query: object) -> str:
        """The list of a dictionary's features, with its filters."""
        return f"{self.prefix}/d/{dictionary}{_query(query)}"

    def random(self, dictionary: str, **query: object) -> str:
        """A random live feature."""
        return f"{self.prefix}/d/{dictionary}/random{_query(query)}"

    def feature(self, dictionary: str, index: int, **query: object) -> str:
        """One feature."""
        return f"{self.prefix}/d/{dictionary}/{index}{_query(query)}"

    def context(self, dictionary: str, index: int, context: int, **query: object) -> str:
        """One whole context, as a page."""
        return self.contexts(dictionary, index, **query).replace(PLACE, str(context))

    def contexts(self, dictionary: str, index: int, **query: object) -> str:
        """The pages of a feature's contexts: PLACE stands where the id belongs."""
        return f"{self.prefix}/d/{dictionary}/{index}/contexts/{PLACE}{_query(query)}"

    def rerun(self, dictionary: str, index: int, context: int, **query: object) -> str:
        """One stored context beside what the worker makes of it now."""
        return f"{self.prefix}/d/{dictionary}/{index}/contexts/{context}/rerun{_query(query)}"

    def trial(self, dictionary: str, index: int, **query: object) -> str:
        """Own text tried on one feature."""
        return f"{self.prefix}/d/{dictionary}/{index}/try{_query(query)}"

    def examples(self, dictionary: str, index: int, **query: object) -> str:
        """Where texts are pinned to one feature."""
        return f"{self.prefix}/d/{dictionary}/{index}/examples{_query(query)}"

    def example(self, dictionary: str, index: int, example: int, **query: object) -> str:
        """Where one of them is taken down."""
        return f"{self.prefix}/d/{dictionary}/{index}/examples/{example}/remove{_query(query)}"

    def compare(self, **query: object) -> str:
        """Two features side by side."""
        return f"{self.prefix}/compare{_query(query)}"

    def live(self, **query: object) -> str:
        """Live text; `d` in the query names a dictionary."""
        return f"{self.prefix}/live{_query(query)}"

    def live_probe(self, name: str, *parts: str, **query: object) -> str:
        """Where a text goes through the model with features changed ("steer"), taken away ("effects"), or summed."""
        place = "" if name == "steer" else f"/{name}"
        return f"{self.prefix}/live/steer{place}{''.join(f'/{part}' for part in parts)}{_query(query)}"

    def api(self, path: str) -> str:
        """A JSON twin."""
        return f"{self.prefix}/api/v1/{path}"

    def static(self, name: str) -> str:
        """A file of `static/`, its address changing with its content."""
        return f"{self.prefix}/static/{name}?v={self._hashes[name]}"


class PinnedPaths:
    """The same addresses, with one dictionary's kept to one of its harvests."""

    def __init__(self, paths: SitePaths, dictionary: str, harvest: str) -> None:
        self._paths, self._dictionary, self._harvest = paths, dictionary, harvest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._paths, name)

    def dictionary(self, dictionary: str, **query: object) -> str:
        """The list of a dictionary's features, with its filters."""
        return self._paths.dictionary(dictionary, **self._pinned(dictionary, query))

    def random(self, dictionary: str) -> str:
        """A random live feature."""
        return self._paths.random(dictionary, **self._pinned(dictionary, {}))

    def feature(self, dictionary: str, index: int, **query: object) -> str:
        """One feature."""
        return self._paths.feature(dictionary, index, **self._pinned(dictionary, query))

    def context(self, dictionary: str, index: int, context: int) -> str:
        """One whole context, as a page."""
        return self._paths.context(dictionary, index, context, **self._pinned(dictionary, {}))

    def contexts(self, dictionary: str, index: int) -> str:
        """The pages of a feature's contexts: PLACE stands where the id belongs."""
        return self._paths.contexts(dictionary, index, **self._pinned(dictionary, {}))

    def rerun(self, dictionary: str, index: int, context: int) -> str:
        """One stored context beside what the worker makes of it now."""
        return self._paths.rerun(dictionary, index, context, **self._pinned(dictionary, {}))

    def trial(self, dictionary: str, index: int, **query: object) -> str:
        """Own text tried on one feature."""
        return self._paths.trial(dictionary, index, **self._pinned(dictionary, query))

    def examples(self, dictionary: str, index: int) -> str:
        """Where texts are pinned to one feature."""
        return self._paths.examples(dictionary, index, **self._pinned(dictionary, {}))

    def example(self, dictionary: str, index: int, example: int) -> str:
        """Where one of them is taken down."""
        return self._paths.example(dictionary, index, example, **self._pinned(dictionary, {}))

    def compare(self, **query: object) -> str:
        """Two features side by side, both of the one dictionary."""
        pinned = {"harvest_a": self._harvest, "harvest_b": self._harvest}
        return self._paths.compare(**(pinned | query if query else query))

    def _pinned(self, dictionary: str, query: dict[str, object]) -> dict[str, object]:
        return {"harvest": self._harvest, **query} if dictionary == self._dictionary else query


class FolderPaths:
    """Plain relative links between the files of an exported site, from a page `depth` folders down."""

    def __init__(self, *, depth: int) -> None:
        self._up = "../" * depth

    def home(self) -> str:
        """The first page of the list."""
        return f"{self._up}index.html"

    def dictionary(self, dictionary: str, **query: object) -> str:
        """The list of features; `page` in the query chooses which page of it."""
        page = query.get("page", 1)
        return self.home() if page == 1 else f"{self._up}list/{page}.html"

    def feature(self, dictionary: str, index: int, **query: object) -> str:
        """One feature's file; they lie a thousand to a folder."""
        return f"{self._up}{feature_file(index)}"

    def static(self, name: str) -> str:
        """A copied file."""
        return f"{self._up}static/{name}"


def feature_file(index: int) -> str:
    """Where an exported feature lies in its folder."""
    return f"features/{index // 1000:04d}/{index}.html"


def _query(query: dict[str, object]) -> str:
    """Query string of the parameters that are set, or nothing."""
    chosen = {key.rstrip("_"): value for key, value in query.items() if value is not None and value != ""}
    return "?" + "&".join([f"{key}={_quoted(str(value))}" for key, value in chosen.items()]) if chosen else ""


@lru_cache(maxsize=1 << 14)
def _quoted(value: str) -> str:
    """Kept, because a page has the same few values in dozens of links."""
    return quote_plus(value)
