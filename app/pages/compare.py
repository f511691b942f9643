"""Two features side by side, and what is known of the pair."""

from dataclasses import dataclass

from app.pages.feature import FeaturePage, FeatureSource
from app.pages.numbers import count, share, significant


@dataclass(frozen=True, slots=True)
class ComparePage:
    """The addresses asked for, the two pages, and sentences on the pair. pages is empty before both are chosen."""

    a: str
    b: str
    pages: tuple[FeaturePage, ...]
    relations: tuple[str, ...]


def relations(a: FeatureSource, b: FeatureSource) -> tuple[str, ...]:
    """What the harvest says of the pair, when they are of one dictionary."""
    if a.dictionary.hash != b.dictionary.hash:
        return ("They are of different dictionaries, so directions and joint firings are not compared.",)
    if a.feature.index == b.feature.index:
        return ("This is one and the same feature.",)
    return tuple(sentence for sentence in (_cosine(a, b), _joint(a, b)) if sentence)


def _cosine(a: FeatureSource, b: FeatureSource) -> str:
    for one, other in ((a, b), (b, a)):
        places = (one.feature.neighbour_indices == other.feature.index).nonzero()[0]
        if len(places):
            return (
                f"Cosine of their decoder directions: {significant(float(one.feature.neighbour_cosines[places[0]]))}."
            )
    return "Neither is among the nearest features of the other by decoder direction."


def _joint(a: FeatureSource, b: FeatureSource) -> str:
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
