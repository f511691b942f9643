"""A dictionary as a static site: plain files, relative links, nothing that needs a server."""

import shutil
from pathlib import Path

from jinja2 import Environment

from app.export.source import ExportSource, Progress
from app.pages.dictionary import COLUMNS, DictionarySource, ListLinks, dictionary_page
from app.pages.feature import feature_page
from app.paths import FolderPaths, feature_file
from app.templating import STATIC, make_environment
from app.version import VERSION

PAGE_SIZE = 500
NOT_NEEDED = shutil.ignore_patterns("vendor", "README.md")


def write_site(source: ExportSource, folder: Path, on_progress: Progress) -> None:
    """Every feature's page, the list in pages of 500 densest first, and all that they are drawn with."""
    environment = make_environment(FolderPaths(depth=0), is_live=False, version=VERSION)
    shutil.copytree(STATIC, folder / "static", ignore=NOT_NEEDED)
    _write_lists(source, folder, environment)
    template = environment.get_template("feature/show.html")
    paths = FolderPaths(depth=2)
    for feature in source.features(on_progress):
        file = folder / feature_file(feature.feature.index)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template.render(page=feature_page(feature), paths=paths), encoding="utf-8")


def _write_lists(source: ExportSource, folder: Path, environment: Environment) -> None:
    template = environment.get_template("dictionary/show.html")
    tokens = source.library.tokens(source.dictionary)
    slug = source.dictionary.slug
    (folder / "list").mkdir()
    for number, (query, found) in enumerate(source.lists(PAGE_SIZE), start=1):
        paths = FolderPaths(depth=0 if number == 1 else 1)
        links = ListLinks(
            columns={key: "" for key, *_ in COLUMNS},
            next=paths.dictionary(slug, page=number + 1) if found.next else None,
            previous=paths.dictionary(slug, page=number - 1) if number > 1 else None,
        )
        data = DictionarySource(source.dictionary, source.harvest, source.summary, found, tokens)
        page = dictionary_page(data, query, links=links, filters={})
        file = folder / ("index.html" if number == 1 else f"list/{number}.html")
        file.write_text(template.render(page=page, paths=paths), encoding="utf-8")
