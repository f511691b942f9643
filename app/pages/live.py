"""The page of live text: what is asked, and what the features make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from app.live.failures import LiveFailure
from app.live.state import ALL_DENSITIES, DENSITIES, LONGEST_ADDRESS, SHOWN, LiveState, query_of
from app.live.view import LiveView, Read
from app.pages.live_problem import LiveProblem, live_problem
from app.pages.live_rows import LiveColumn, LiveRow, columns, rows
from app.pages.live_text import TextSide, activations_of, named, text_side
from app.pages.numbers import count, plural, share
from app.pages.provenance import Fact
from app.pages.tokens import SPACE, TokenText
from catalog.records import DictionaryRecord, ModelRecord

SERVER_FAILED = 500
MOST_CARRIED = 300
MOST_QUOTED = 12
"""Tokens of a selection that its sentence quotes."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be chosen in the form."""

    value: str
    name: str
    note: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ModelChoices:
    """A model and those of its dictionaries that may be asked. everything: all of them at once."""

    name: str
    everything: Choice
    dictionaries: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class LiveForm:
    """What the form holds. is_cut: long texts are cut as the harvest cuts them."""

    text: str
    other: str
    models: tuple[ModelChoices, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class LiveTrouble:
    """Why there is no answer. hidden: what to send again, nothing where that would fail again."""

    problem: LiveProblem
    hidden: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LiveResult:
    """What the features make of the texts.

    method, hidden: how the buttons of the page send the state it is in. views: dictionaries that can be looked at.
    chosen: which tokens the list is for; colour: what the text is coloured by; densest: the slider in words.
    more: how many features to list next, None where all are. carried: the text, where it is short enough to be put into
    each link of the list.
    """

    method: Literal["get", "post"]
    hidden: tuple[tuple[str, str], ...]
    views: tuple[Choice, ...]
    sides: tuple[TextSide, ...]
    columns: tuple[LiveColumn, ...]
    rows: tuple[LiveRow, ...]
    list_sentence: str
    empty: str
    chosen: str
    span: tuple[int, int, int]
    colour: str
    colour_feature: tuple[str, int] | None
    dense: int
    densities: tuple[str, ...]
    more: int | None
    carried: str
    permalink: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class LivePage:
    """Everything the page may print. advice: what is missing before anything can be asked.

    carried: the query that other pages on a text take along, not to be run at once.
    """

    form: LiveForm
    carried: str = ""
    trouble: LiveTrouble | None = None
    result: LiveResult | None = None
    advice: str = ""


def live_form(state: LiveState, models: Sequence[ModelRecord], dictionaries: Sequence[DictionaryRecord]) -> LiveForm:
    """The form as it stands."""
    groups = []
    for model in models:
        mine = [each for each in dictionaries if each.model == model.slug]
        if not mine:
            continue
        choices = tuple(
            Choice(each.slug, each.name, f"{each.kind}, {each.hook_name}", each.slug in state.dictionaries)
            for each in mine
        )
        everything = Choice(model.slug, f"all {len(mine)}", "", model.slug in state.models)
        groups.append(ModelChoices(model.name, everything, choices))
    return LiveForm(state.text, state.other, tuple(groups), state.mode == "cut")


def carried_along(state: LiveState) -> str:
    """The text and its dictionaries as the query of other pages on a text, where it is short enough."""
    pairs = [("text", state.text), *(("d", slug) for slug in state.dictionaries), ("draft", "1")]
    query = urlencode(pairs)
    return f"?{query}" if state.text and len(query) <= LONGEST_ADDRESS else ""


def live_trouble(error: LiveFailure, state: LiveState) -> LiveTrouble:
    """The failure beside everything needed to ask again."""
    problem = live_problem(error)
    may_retry = problem.may_retry or problem.status >= SERVER_FAILED
    return LiveTrouble(problem, tuple(state.items()) if may_retry else ())


def live_result(view: LiveView, tokens: TokenText, *, address: str) -> LiveResult:
    """Build the result. address: of the page, without a query."""
    query = query_of(view.state)
    return LiveResult(
        method="post" if query is None else "get",
        hidden=tuple(view.state.items()),
        views=_views(view),
        sides=tuple(text_side(view, number, tokens) for number in range(len(view.state.texts))),
        columns=columns(view),
        rows=rows(view, tokens),
        list_sentence=_list_sentence(view),
        empty=_empty(view),
        chosen=_chosen(view, tokens),
        span=(0, 0, 0) if view.state.at is None else (view.state.at.text, view.state.at.first, view.state.at.last),
        colour=_colour(view),
        colour_feature=None if view.coloured is None else (view.coloured[0].dictionary.slug, view.coloured[1]),
        dense=view.state.dense,
        densities=tuple(densest_words(place) for place in range(len(DENSITIES))),
        more=_more(view),
        carried=view.state.text if len(view.state.text) <= MOST_CARRIED else "",
        permalink="" if query is None else f"{address}?{query}",
        facts=_facts(view),
    )


def densest_words(place: int) -> str:
    """A place of the slider in words."""
    if place == ALL_DENSITIES:
        return "all features"
    return f"features that fire on at most {share(DENSITIES[place])} of tokens"


def _views(view: LiveView) -> tuple[Choice, ...]:
    """Those that see the same tokens together, and each by itself; nothing where there is only one."""
    if len(view.reads) == 1:
        return ()
    shown = {read.dictionary.slug for read in view.shown}
    views = []
    for group in view.groups:
        if len(group) > 1:
            views.append(_view(group, " + ".join(read.letter for read in group), shown))
        views += [_view((read,), f"{read.letter} {read.dictionary.name}", shown) for read in group]
    return tuple(views)


def _view(group: Sequence[Read], name: str, shown: set[str]) -> Choice:
    slugs = [read.dictionary.slug for read in group]
    return Choice(",".join(slugs), name, " and ".join(read.dictionary.name for read in group), set(slugs) == shown)


def _list_sentence(view: LiveView) -> str:
    fired = plural(view.n_rows, "feature")
    where = "on the tokens chosen" if view.state.at is not None else "on this text"
    if len(view.state.texts) > 1 and view.state.at is None:
        where = "on one of the texts or both"
    shown = f"; the first {count(len(view.table))} are listed" if len(view.table) < view.n_rows else ""
    left_out = f" {plural(view.n_dense, 'denser one')} left out." if view.n_dense else ""
    verb = "fires" if view.n_rows == 1 else "fire"
    return f"{fired} {verb} {where}{shown}.{left_out}"


def _empty(view: LiveView) -> str:
    if len(view.table):
        return ""
    if view.n_dense:
        return "Only features fire here that are denser than the slider allows."
    return "No feature fires here."


def _chosen(view: LiveView, tokens: TokenText) -> str:
    at = view.state.at
    if at is None or at.text >= len(view.state.texts):
        return ""
    token_ids = view.shown[0].firings[at.text].token_ids[at.first : at.last + 1].tolist()
    text = "".join(tokens.texts(token_ids[:MOST_QUOTED])) + ("…" if len(token_ids) > MOST_QUOTED else "")
    text = text.replace(" ", SPACE) if text.isspace() else text.strip()
    which = f" of the {('first', 'second')[at.text]} text" if len(view.state.texts) > 1 else ""
    place = f"token {at.first}" if at.first == at.last else f"tokens {at.first} to {at.last}"
    return f"{place}{which}: “{text}”" if token_ids else f"{place}{which}, beyond its end"


def _colour(view: LiveView) -> str:
    if view.coloured is None:
        return ""
    read, feature = view.coloured
    silent = "" if any(activations_of(fired, feature) for fired in read.fired) else ", which is silent here"
    return named(read, feature, view.lines) + silent


def _more(view: LiveView) -> int | None:
    if len(view.table) >= view.n_rows:
        return None
    return next((shown for shown in SHOWN if shown > view.state.shown), None)


def _facts(view: LiveView) -> tuple[Fact, ...]:
    facts = []
    for read in view.shown:
        harvest = read.dictionary.harvest
        seen = "no harvest yet: strengths are compared within this text" if harvest is None else f"harvest {harvest.id}"
        computed = f"{read.facts.get('dtype', '?')} on {read.facts.get('device', '?')}"
        name = f"{read.letter} {read.dictionary.name}".strip()
        facts.append(Fact(name, computed, f"{read.dictionary.hook_name}; {seen}"))
    return tuple(facts)
