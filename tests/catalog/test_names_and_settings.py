"""Slugs, settings, errors that guess, cursors and queries that are refused."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cursors import Cursor, decode_cursor
from catalog.engine import make_engine
from catalog.errors import BadQuery, CatalogError, NotFound
from catalog.queries import FeatureQuery
from catalog.settings import CatalogSettings
from catalog.slugs import make_slug, unique_slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("GPT-2 small, layer 8", "gpt-2-small-layer-8"),
        ("naïve café", "naive-cafe"),
        ("東京", "unnamed"),
        ("--x--", "x"),
        ("../../etc", "etc"),
    ],
)
def test_a_slug_has_lower_case_letters_digits_and_dashes(name: str, slug: str):
    assert make_slug(name) == slug


@given(st.text(max_size=200))
def test_a_slug_is_never_empty_and_never_long(name: str):
    slug = make_slug(name)
    assert 1 <= len(slug) <= 80
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_taken_slug_gets_a_number():
    assert unique_slug("My SAE", {"my-sae", "my-sae-2"}.__contains__) == "my-sae-3"


def test_what_is_not_found_names_the_nearest():
    error = NotFound("dictionary", "tiny-sea", known=["tiny-sae", "other"])
    assert error.nearest == ("tiny-sae",)
    assert str(error) == "There is no dictionary 'tiny-sea'. Did you mean 'tiny-sae'?"


def test_settings_come_from_the_environment_with_empty_values_unset(tmp_path: Path):
    settings = CatalogSettings.from_environment({"FEATURESCOPE_HOME": str(tmp_path), "FEATURESCOPE_DATABASE_URL": ""})
    assert settings.home == tmp_path
    assert settings.database_url == f"sqlite:///{tmp_path}/catalog.sqlite"
    assert CatalogSettings.from_environment({"FEATURESCOPE_DATABASE_URL": "postgresql://x/y"}).database_url.endswith(
        "x/y"
    )


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "", "oracle+foo://x"])
def test_a_database_of_another_kind_is_refused_with_the_kinds_there_are(url: str):
    with pytest.raises(CatalogError, match="sqlite:///path or postgresql://"):
        make_engine(url)


@pytest.mark.parametrize(
    "bad",
    [
        {"sort": "name"},
        {"order": "up"},
        {"limit": 0},
        {"limit": 501},
        {"min_density": -1.0},
        {"max_peak": float("nan")},
    ],
)
def test_a_query_without_an_answer_is_refused(bad: dict):
    with pytest.raises(BadQuery):
        FeatureQuery("tiny-sae", **bad)


def test_a_cursor_comes_back_as_it_was():
    query = FeatureQuery("tiny-sae", sort="peak")
    cursor = Cursor(3.25, 7, backwards=True)
    assert decode_cursor(replace(query, after=cursor.encode(query))) == cursor


def test_a_cursor_of_another_sort_is_refused():
    text = Cursor(3.25, 7, backwards=False).encode(FeatureQuery("tiny-sae", sort="peak"))
    with pytest.raises(BadQuery, match="sorted by peak desc, not mean desc"):
        decode_cursor(FeatureQuery("tiny-sae", sort="mean", after=text))


@given(st.text(max_size=60))
def test_a_damaged_cursor_is_refused_and_never_crashes(text: str):
    with pytest.raises(BadQuery):
        decode_cursor(FeatureQuery("tiny-sae", after=text))


@pytest.mark.parametrize("value", ["1e999", "NaN", "true", "null", '"x"', "[1]", "9" * 40])
def test_a_cursor_with_a_strange_value_is_refused(value: str):
    text = _encoded(f'[1,"density","desc",{value},3,0]')
    with pytest.raises(BadQuery):
        decode_cursor(FeatureQuery("tiny-sae", after=text))


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
