"""Every part renders by itself, with its one argument and nothing else."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from bs4 import BeautifulSoup

from app.pages.compare import ComparePage, Side, column_names, differences
from app.pages.contexts import ContextLines
from app.pages.dictionary import COLUMNS, DictionarySource, ListLinks, dictionary_page
from app.pages.feature import FeaturePage, FeatureSource, feature_page
from app.pages.guide import GuideFile, make_guide
from app.pages.home import model_cards
from app.pages.jobs import job_view, jobs_page
from app.pages.label_form import TypedLabel, field_diffs, merge_form
from app.pages.label_lists import LabelsPage, activity_views, coverage_views
from app.pages.labels import feature_labels, label_view, rights_of
from app.pages.rerun import rerun_page
from app.pages.tokens import TokenText
from app.pages.trial import trial_page
from app.pages.whole import context_page
from app.paths import SitePaths, StaticFileHashes
from app.templating import STATIC, TEMPLATES, make_environment
from catalog.label_records import ActivityRecord, Coverage, LabelChangeRecord, LabelContent, LabelRecord, PersonRecord
from catalog.queries import FeatureListPage, FeatureQuery
from catalog.records import FeaturePageData, FeatureSummary
from catalog.tokens import Vocabulary
from tests.app.live_parts import live_arguments
from tests.app.people_parts import people_arguments
from tests.app.steer_parts import steer_arguments
from tests.app.stored import job
from tests.app.synthetic import DEAD, SyntheticHarvest
from tests.app.test_other_pages import GUIDE

PARTS = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("_*.html"))


@pytest.fixture(scope="module")
def environment():
    return make_environment(SitePaths(StaticFileHashes(STATIC)), is_live=True, version="0")


@pytest.fixture(scope="module")
def tokens(harvested: SyntheticHarvest) -> TokenText:
    tokenizer = harvested.tokenizer
    return TokenText(Vocabulary.of("t", tokenizer.token_bytes, tokenizer.special_ids))


def source(harvested: SyntheticHarvest, tokens: TokenText, index: int) -> FeatureSource:
    contexts = {context.id: context for context in harvested.contexts}
    feature = harvested.features[index]
    return FeatureSource(FeaturePageData(harvested.dictionary, harvested.harvest, feature, contexts, None, 1), tokens)


def page_of(harvested: SyntheticHarvest, tokens: TokenText, index: int) -> FeaturePage:
    return feature_page(source(harvested, tokens, index), contexts_path="/c/")


def comparison_of(one: FeatureSource) -> ComparePage:
    return ComparePage(Side(), Side(), names=column_names(one, one), differences=differences(one, one))


def list_of(harvested: SyntheticHarvest, tokens: TokenText, features: tuple[FeatureSummary, ...]):
    links = ListLinks({key: "" for key, *_ in COLUMNS}, None, None)
    found = FeatureListPage(features, None, None, "h")
    data = DictionarySource(harvested.dictionary, harvested.harvest, harvested.summary, found, tokens)
    filters: dict[str, str] = {}
    filters |= dict.fromkeys(("token", "state", "labelled", "min_density", "max_density", "min_peak", "max_peak"), "")
    return dictionary_page(data, FeatureQuery("tiny-mid"), links=links, filters=filters)


def arguments(harvested: SyntheticHarvest, tokens: TokenText, index: int) -> Mapping[str, Mapping[str, Any]]:
    """What each part is given, by folder and name."""
    page = page_of(harvested, tokens, index)
    summary = FeatureSummary(1, 0.1, 9, 2.0, 1.0, 5, (1, 2), bytes(range(24)), "a label")
    listed = list_of(harvested, tokens, () if index in DEAD else (summary,))
    file = GuideFile.model_validate(GUIDE)
    guide = make_guide(file, [source(harvested, tokens, choice.index) for choice in file.choices()])
    feature = harvested.features[index]
    shown = [*feature.top.context_ids.tolist(), *feature.controls.context_ids.tolist()]
    context = context_page(source(harvested, tokens, index), shown[0])
    return {
        **{f"feature/_{name}.html": {"page": page} for name in (*page.parts.main, *page.parts.side, "steps")},
        "feature/_lines.html": {"folds": page.top, "contexts_path": "/c/"},
        "feature/_embed_form.html": {"frame_address": "http://h/", "shown_parts": ("top",)},
        "compare/_feature.html": {"page": page, "side": 1},
        "compare/_differences.html": {"page": comparison_of(source(harvested, tokens, index))},
        "context/_whole.html": {"page": context},
        "context/_firing.html": {"page": context},
        "trial/_box.html": {"trial": trial_page(source(harvested, tokens, index), text="a text")},
        "rerun/_result.html": {"page": rerun_page(source(harvested, tokens, index), shown[0], None)},
        **{f"dictionary/_{name}.html": {"page": listed} for name in ("quality", "filter", "features")},
        **live_arguments(harvested, tokens),
        "home/_running.html": {"running": (job_view(job()),)},
        "home/_guide.html": {"guide": guide},
        "home/_card.html": {"card": guide.bad},
        "home/_models.html": {"models": model_cards([harvested.model], [harvested.dictionary]), "is_empty": False},
        "home/_add.html": {},
        **label_arguments(index),
        **people_arguments(is_empty=index in DEAD),
        "jobs/_job.html": {"job": job_view(job())},
        "jobs/_jobs.html": {"page": jobs_page([job()], [])},
        **steer_arguments(harvested, tokens),
    }


def label_arguments(index: int) -> Mapping[str, Mapping[str, Any]]:
    """What the parts about labels are given: no label at all for a dead feature."""
    me, moment, content = (
        PersonRecord("kim", "admin"),
        "2026-01-05T10:00:00+00:00",
        LabelContent("a label", "note", ("t",), 80),
    )
    label = LabelRecord("k", "hash", "tiny-mid", index, content, me, 2, moment, moment)
    change = LabelChangeRecord(1, "k", 2, "edited", me, moment, content)
    found = () if index in DEAD else (label,)
    activity = activity_views([ActivityRecord(change, each) for each in found])
    coverage = coverage_views([Coverage("tiny-mid", "Tiny", 40, len(found), 1, 0, 1)] if found else [])
    page = LabelsPage("recent", (), (("tiny-mid", "Tiny"),), "", coverage, activity)
    view = {"label": label_view(label), "rights": rights_of(me), "back": "label"}
    return {
        "feature/_labels.html": {"part": feature_labels(found, place=("tiny-mid", index), me=me)},
        "labels/_label.html": view,
        "labels/_votes.html": view,
        "labels/_entry.html": view,
        "labels/_fields.html": {"typed": None if index in DEAD else TypedLabel("a", "b"), "longest_note": 9},
        "labels/_diff.html": {"diffs": field_diffs(TypedLabel("one two", "n"), TypedLabel("one three"))},
        "labels/_merge.html": {"other": merge_form(label, TypedLabel("x"), version=1, history=[change]).other},
        "labels/_list.html": {"page": page},
        "labels/_coverage.html": {"page": page},
    }


@pytest.mark.parametrize("index", [0, DEAD[0]])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_renders_alone(environment, harvested: SyntheticHarvest, tokens: TokenText, part: str, index: int):
    text = environment.get_template(part).render(arguments(harvested, tokens, index)[part])
    roots = [node for node in BeautifulSoup(text, "html.parser").children if str(node).strip()]
    assert roots or part == "home/_running.html"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_says_what_it_expects(part: str):
    first = (TEMPLATES / part).read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"\{# expects: .+ #\}$", first)


def test_an_empty_comparison_is_empty():
    assert ComparePage(Side(), Side()).pages == ()


def test_a_control_of_a_short_context_shows_all_of_it(harvested: SyntheticHarvest, tokens: TokenText):
    short = min(harvested.contexts, key=lambda context: len(context.token_ids))
    segments = ContextLines({short.id: short}, tokens, 1.0).silent(short.id)
    assert "".join(segment.text for segment in segments if not segment.special)
