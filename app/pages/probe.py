"""The pages that take a text apart: what each feature does for a token that follows, taken away or by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from app.live.attribution import Attribution, Part
from app.live.effects import Effect, Effects
from app.live.probe_state import ProbeState
from app.live.steering import Chosen
from app.pages.live_problem import LiveProblem
from app.pages.numbers import count, share, signed, significant
from app.pages.steer import carried_text, feature_words
from app.pages.tokens import UNFINISHED, TokenChip, TokenText
from catalog.records import DictionaryRecord

N_TARGETS = 6
N_PUSHED = 4
GREATEST_ROUNDING = 0.01
PART_WORDS = {
    "error": ("What the dictionary does not explain", "its error at the hook"),
    "bias": ("The decoder's bias", "the same at every token"),
    "rest": ("Everything else", "what other parts of the model write to the stream"),
    "constant": ("Constants", "biases of the final norm and the unembedding"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """One token of the text, as a button that makes it the one that is predicted. can_be: whether it may."""

    at: int
    text: str
    is_chosen: bool
    can_be: bool


@dataclass(frozen=True, slots=True)
class DictionaryChoice:
    """A dictionary that may be asked."""

    slug: str
    name: str
    model: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class FeatureCell:
    """A feature by what people call it, and the query that takes it to where it is changed."""

    dictionary: str
    index: int
    words: str
    address: str
    steer: str


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What taking one feature away does. change: of the log probability of the token that is predicted."""

    feature: FeatureCell
    activation: str
    on: TokenChip
    after: str
    change: str
    whole: str
    level: int


@dataclass(frozen=True, slots=True)
class EffectsTable:
    """token: the one that is predicted, with its probability as it is."""

    places: tuple[Place, ...]
    token: TokenChip
    before: str
    rows: tuple[EffectRow, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class PushRow:
    """What one part adds to the logit of each target, beyond the mean over the vocabulary; up, down: what it pushes."""

    name: str
    note: str
    feature: FeatureCell | None
    amounts: tuple[str, ...]
    up: tuple[TokenChip, ...]
    down: tuple[TokenChip, ...]


@dataclass(frozen=True, slots=True)
class LogitsTable:
    """targets: tokens with their probability, the true next one first where there is one. totals: of the rows."""

    places: tuple[Place, ...]
    after: TokenChip
    targets: tuple[tuple[TokenChip, str, bool], ...]
    features: tuple[PushRow, ...]
    parts: tuple[PushRow, ...]
    totals: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class ProbePage:
    """One of the two pages. many: whether several dictionaries may be asked at once."""

    here: str
    state: ProbeState
    choices: tuple[DictionaryChoice, ...]
    many: bool
    effects: EffectsTable | None = None
    logits: LogitsTable | None = None
    problem: LiveProblem | None = None

    @property
    def status(self) -> int:
        """Of HTTP."""
        return 200 if self.problem is None else self.problem.status

    @property
    def permalink(self) -> str | None:
        """Query of the address that shows the same."""
        return self.state.address() if self.state.is_asked else None

    @property
    def carried(self) -> str:
        """Query that takes the text along."""
        return carried_text(self.state.text)


def choices_of(dictionaries: Sequence[DictionaryRecord], state: ProbeState) -> tuple[DictionaryChoice, ...]:
    """Every dictionary; where none is chosen yet, the first on the residual stream, else the first."""
    first = sorted(dictionaries, key=lambda each: "resid" not in each.hook_name)[:1]
    chosen = set(state.dictionaries) or {each.slug for each in first}
    return tuple(DictionaryChoice(each.slug, each.name, each.model, each.slug in chosen) for each in dictionaries)


def effects_table(found: Effects, state: ProbeState) -> EffectsTable:
    """The table of what a worker found."""
    token_ids = found.token_ids.tolist()
    before = float(found.log_probabilities[found.position - 1]) if len(found.log_probabilities) else None
    greatest = max((abs(each.change) for each in found.effects), default=0.0)
    shown = f"The {len(found.effects)} strongest of {count(found.n_firing)}" if found.effects else "None of the"
    return EffectsTable(
        places=_places(found.tokens, token_ids, found.position),
        token=found.tokens.chip(token_ids[found.position]),
        before="" if before is None else share(exp(before)),
        rows=tuple(_effect_row(each, found, state, greatest) for each in found.effects),
        sentence=f"{shown} features that fire before it, by their activation over their harvest maximum.",
    )


def logits_table(found: Attribution, state: ProbeState) -> LogitsTable:
    """The table of what a worker took apart."""
    token_ids = list(found.token_ids)
    shown = range(min(N_TARGETS, len(found.targets)))
    return LogitsTable(
        places=(*_places(found.tokens, token_ids, found.position + 1), _after_the_end(found)),
        after=found.tokens.chip(token_ids[found.position]),
        targets=tuple(_target(found, at) for at in shown),
        features=tuple(_feature_row(found, number, shown, state) for number in range(len(found.features))),
        parts=tuple(_other_parts(found, shown)),
        totals=tuple(signed(found.logits[at] - found.mean_logit) for at in shown),
        sentence=_sentence(found),
    )


def _target(found: Attribution, at: int) -> tuple[TokenChip, str, bool]:
    token = found.targets[at]
    return found.tokens.chip(token), share(exp(found.log_probabilities[at])), token == found.following


def _sentence(found: Attribution) -> str:
    n_on = len(found.features) + found.n_others
    on = "1 feature is on at this token." if n_on == 1 else f"{count(n_on)} features are on at this token."
    if found.gap < GREATEST_ROUNDING:
        return on
    return f"{on} The model changes its logits once more at the end: the parts miss {significant(found.gap)} at most."


def _feature_row(found: Attribution, number: int, shown: range, state: ProbeState) -> PushRow:
    feature, activation, part = found.features[number]
    note, cell = f"activation {significant(activation)}", _cell(feature, state.text)
    return _push_row(part, found.tokens, shown, name=feature_words(feature), note=note, feature=cell)


def _other_parts(found: Attribution, shown: range) -> list[PushRow]:
    rows = []
    if found.others is not None:
        rows.append(
            _push_row(found.others, found.tokens, shown, name=f"{count(found.n_others)} more features", note="")
        )
    for part, (name, note) in PART_WORDS.items():
        rows.append(_push_row(found.parts[part], found.tokens, shown, name=name, note=note))
    return rows


def _push_row(
    part: Part, tokens: TokenText, shown: range, *, name: str, note: str, feature: FeatureCell | None = None
) -> PushRow:
    return PushRow(
        name=name,
        note=note,
        feature=feature,
        amounts=tuple(signed(part.beyond[at]) for at in shown),
        up=tuple(tokens.chip(token) for token, _ in part.up[:N_PUSHED]),
        down=tuple(tokens.chip(token) for token, _ in part.down[:N_PUSHED]),
    )


def _effect_row(effect: Effect, found: Effects, state: ProbeState, greatest: float) -> EffectRow:
    return EffectRow(
        feature=_cell(effect.feature, state.text),
        activation=f"{significant(effect.activation)} ({100 * effect.heat:,.0f} % of its maximum)",
        on=found.tokens.chip(int(found.token_ids[effect.at])),
        after=share(exp(effect.after)),
        change=signed(effect.change),
        whole=signed(effect.whole),
        level=round(10 * abs(effect.change) / greatest) if greatest else 0,
    )


def _cell(feature: Chosen, text: str) -> FeatureCell:
    carried = carried_text(text) or "?draft=1"
    steer = f"{carried}&feature={feature.address}&mode=remove&value=1"
    return FeatureCell(feature.dictionary.slug, feature.index, feature_words(feature), feature.address, steer)


def _places(tokens: TokenText, token_ids: list[int], predicted: int) -> tuple[Place, ...]:
    texts = tokens.texts(token_ids)
    return tuple(Place(at, text or UNFINISHED, at == predicted, at > 0) for at, text in enumerate(texts))


def _after_the_end(found: Attribution) -> Place:
    n_tokens = len(found.token_ids)
    return Place(n_tokens, " what comes next ", found.position + 1 == n_tokens, can_be=True)
