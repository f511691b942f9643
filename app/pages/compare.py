"""Two features side by side, of one dictionary or two, each in a harvest of its own, and what is known of the pair."""

from dataclasses import dataclass

from app.pages.feature import FeaturePage, FeatureSource
from app.pages.harvests import HarvestChoice
from app.pages.numbers import count, share, signed, significant


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison as asked for: an address, the id of a harvest or nothing, and the harvests to choose."""

    address: str = ""
    harvest: str = ""
    choices: tuple[HarvestChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both sides, as text; difference is the second less the first, times the second over the first."""

    name: str
    a: str
    b: str
    difference: str
    times: str


@dataclass(frozen=True, slots=True)
class ComparePage:
    """What was asked for, the two pages, sentences on the pair and their figures.

    pages is empty before both are chosen. names: what the columns of figures are called.
    """

    a: Side
    b: Side
    pages: tuple[FeaturePage, ...] = ()
    relations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both sides. is_share: a fraction of 1, shown as a percentage."""

    name: str
    a: float
    b: float
    is_share: bool

    @property
    def difference(self) -> float:
        """The second less the first."""
        return self.b - self.a

    @property
    def times(self) -> float | None:
        """The second over the first; None where the first is 0."""
        return self.b / self.a if self.a else None


def figures(a: FeatureSource, b: FeatureSource) -> tuple[Figure, ...]:
    """What can be set against each other although the harvests differ in length."""
    columns = zip(_figures_of(a), _figures_of(b), strict=True)
    return tuple(Figure(name, one, other, is_share) for (name, one, is_share), (_, other, _) in columns)


def differences(a: FeatureSource, b: FeatureSource) -> tuple[Difference, ...]:
    """The figures as text."""
    return tuple(_difference(each) for each in figures(a, b))


def column_names(a: FeatureSource, b: FeatureSource) -> tuple[str, str]:
    """What tells the two sides apart: their corpora, where they are one feature, else their numbers."""
    if a.dictionary.hash == b.dictionary.hash and a.feature.index == b.feature.index:
        if a.harvest.corpus != b.harvest.corpus:
            return a.harvest.corpus, b.harvest.corpus
        return f"harvest {a.harvest.id}", f"harvest {b.harvest.id}"
    if a.dictionary.hash == b.dictionary.hash:
        return f"feature {a.feature.index}", f"feature {b.feature.index}"
    return f"{a.dictionary.slug}/{a.feature.index}", f"{b.dictionary.slug}/{b.feature.index}"


def relations(a: FeatureSource, b: FeatureSource) -> tuple[str, ...]:
    """What the harvests say of the pair."""
    if a.dictionary.hash != b.dictionary.hash:
        return ("They are of different dictionaries, so directions and joint firings are not compared.",)
    if a.feature.index == b.feature.index:
        return _same(a, b)
    return tuple(sentence for sentence in (_cosine(a, b), _joint(a, b)) if sentence)


def _same(a: FeatureSource, b: FeatureSource) -> tuple[str, ...]:
    if a.harvest.id == b.harvest.id:
        return ("This is one and the same feature.",)
    both, only_a, only_b = _tokens(a, b)
    return (
        f"One feature in two harvests: on {count(a.harvest.tokens)} tokens of {a.harvest.corpus}, and on "
        f"{count(b.harvest.tokens)} tokens of {b.harvest.corpus}.",
        f"Of the tokens it is listed to fire on, {both} are the same, {only_a} are of the first alone and {only_b} of "
        "the second alone.",
    )


def _tokens(a: FeatureSource, b: FeatureSource) -> tuple[int, int, int]:
    one, other = set(a.feature.tokens.token_ids.tolist()), set(b.feature.tokens.token_ids.tolist())
    return len(one & other), len(one - other), len(other - one)


def _figures_of(side: FeatureSource) -> tuple[tuple[str, float, bool], ...]:
    feature, harvest = side.feature, side.harvest
    fired = feature.tokens_fired
    return (
        ("Density", fired / max(1, harvest.tokens), True),
        ("Contexts", feature.contexts_fired / max(1, harvest.n_contexts), True),
        ("Documents", feature.documents_fired / max(1, harvest.n_documents), True),
        ("Firing tokens", fired, False),
        ("Peak", feature.peak, False),
        ("Mean", feature.activation_sum / fired if fired else 0.0, False),
    )


def _difference(figure: Figure) -> Difference:
    shown = share if figure.is_share else _number
    times = "–" if figure.times is None else significant(figure.times)
    gap = figure.difference
    told = signed(gap) if not figure.is_share else f"{'+' if gap > 0 else '−' if gap < 0 else ''}{share(abs(gap))}"
    return Difference(figure.name, shown(figure.a), shown(figure.b), told, times)


def _number(value: float) -> str:
    return count(int(value)) if value == int(value) and abs(value) >= 1 else significant(value)


def _cosine(a: FeatureSource, b: FeatureSource) -> str:
    for one, other in ((a, b), (b, a)):
        places = (one.feature.neighbour_indices == other.feature.index).nonzero()[0]
        if len(places):
            return (
                f"Cosine of their decoder directions: {significant(float(one.feature.neighbour_cosines[places[0]]))}."
            )
    return "Neither is among the nearest features of the other by decoder direction."


def _joint(a: FeatureSource, b: FeatureSource) -> str:
    if a.harvest.id != b.harvest.id:
        return "They are from different harvests, so joint firings are not compared."
    partners = a.feature.coactivation
    places = (partners.indices == b.feature.index).nonzero()[0]
    if not len(places):
        return "They are not among each other's strongest co-activating features."
    at = places[0]
    return (
        f"Both fire on {count(int(partners.joint[at]))} of {count(partners.sample_tokens)} sampled tokens: "
        f"{share(float(partners.other_given_this[at]))} of the first's firings and "
        f"{share(float(partners.this_given_other[at]))} of the second's."
    )
