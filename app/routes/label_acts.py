"""What the forms of labels ask for. Each answers by showing a page again, or the form with what is wrong.

That a form comes from a page of ours is seen to before any route.
"""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.dependencies import Site, SiteOf
from app.label_acts import change, propose
from app.label_query import LabelSent, SentLabel
from app.pages.label_form import LabelForm, edit_form, merge_form
from app.people.rules import Admin, Labeller
from catalog.errors import BadLabel, LabelChanged
from catalog.label_records import LabelRecord, PersonRecord, Vote
from catalog.writer.labels import LabelWriter

router = APIRouter(include_in_schema=False)
Back = Annotated[Literal["feature", "label"], Form()]
Version = Annotated[int, Form(ge=1, le=2**31 - 1)]


@router.post("/d/{dictionary}/{index}/labels")
def propose_label(dictionary: str, index: int, *, sent: LabelSent, site: SiteOf, me: Labeller) -> Response:
    """A new label; what cannot be taken comes back in its form."""
    try:
        label = propose(site, (dictionary, index), sent.content(), by=me, harvest=sent.harvest)
    except BadLabel as error:
        form = LabelForm(dictionary, index, sent.typed, harvest=sent.harvest or "", problem=str(error))
        return site.page("labels/form.html", status=422, form=form)
    return _back(site, label, "feature")


@router.post("/labels/{key}/edit")
def edit_label(key: str, *, sent: LabelSent, site: SiteOf, me: Labeller) -> Response:
    """Another wording. Where somebody was faster both are shown, and nothing is overwritten."""
    try:
        content = sent.content()
        label = change(site, key, lambda labels: labels.edit(key, content, version=sent.version, by=me), by=me)
    except BadLabel as error:
        return _refused(site, key, sent, me=me, problem=str(error))
    except LabelChanged:
        return _merge(site, key, sent, me=me)
    return _back(site, label, "label")


@router.post("/labels/{key}/revert")
def revert_label(key: str, to: Version, version: Version, *, site: SiteOf, me: Labeller) -> RedirectResponse:
    """An earlier wording again."""
    return _done(site, key, lambda labels: labels.revert(key, to=to, version=version, by=me), me=me, back="label")


@router.post("/labels/{key}/vote")
def vote_on_label(
    key: str, value: Annotated[Literal["1", "-1", "0"], Form()], *, site: SiteOf, me: Labeller, back: Back = "feature"
) -> RedirectResponse:
    """One's vote for a label, against it, or taken back."""
    votes: dict[str, Vote] = {"1": 1, "-1": -1, "0": 0}
    return _done(site, key, lambda labels: labels.vote(key, votes[value], by=me), me=me, back=back)


@router.post("/labels/{key}/hide")
def hide_label(
    key: str, *, site: SiteOf, me: Admin, reason: Annotated[str, Form()] = "", back: Back = "label"
) -> RedirectResponse:
    """Out of sight, with the reason in its history."""
    return _done(site, key, lambda labels: labels.hide(key, by=me, reason=reason), me=me, back=back)


@router.post("/labels/{key}/{act}")
def decide_on_label(
    key: str, act: Literal["show", "choose", "unchoose"], *, site: SiteOf, me: Admin, back: Back = "label"
) -> RedirectResponse:
    """What an admin decides: shown again, accepted whatever the votes say, or left to the votes."""
    acts: dict[str, Callable[[LabelWriter], None]] = {
        "show": lambda labels: labels.show(key, by=me),
        "choose": lambda labels: labels.choose(key, by=me),
        "unchoose": lambda labels: labels.unchoose(key, by=me),
    }
    return _done(site, key, acts[act], me=me, back=back)


def _done(
    site: Site, key: str, act: Callable[[LabelWriter], None], *, me: PersonRecord, back: Literal["feature", "label"]
) -> RedirectResponse:
    return _back(site, change(site, key, act, by=me), back)


def _back(site: Site, label: LabelRecord, back: Literal["feature", "label"]) -> RedirectResponse:
    page = site.paths.label(label.key)
    if back == "feature":
        page = f"{site.paths.feature(label.dictionary, label.index)}#label-{label.key}"
    return RedirectResponse(page, status_code=303)


def _refused(site: Site, key: str, sent: SentLabel, *, me: PersonRecord, problem: str) -> HTMLResponse:
    with site.library() as library:
        label = library.reader.labels.one(key, me=me.name)
    form = edit_form(label, sent.typed, version=sent.version, problem=problem)
    return site.page("labels/form.html", status=422, form=form)


def _merge(site: Site, key: str, sent: SentLabel, *, me: PersonRecord) -> HTMLResponse:
    with site.library() as library:
        labels = library.reader.labels
        label, history = labels.one(key, me=me.name), labels.history(key)
    form = merge_form(label, sent.typed, version=sent.version, history=history)
    return site.page("labels/form.html", status=409, form=form)
