"""The page of one whole context of a feature."""

from dataclasses import dataclass

from app.pages.contexts import ContextLines, WholeContext, row_activations
from app.pages.feature import FeatureSource
from catalog.errors import NotFound
from catalog.records import FeatureRecord


@dataclass(frozen=True, slots=True)
class ContextPage:
    """A whole context and the feature it is shown for."""

    dictionary: str
    dictionary_name: str
    index: int
    title: str
    context: WholeContext


def context_page(source: FeatureSource, context_id: int) -> ContextPage:
    """Build the page. Raises NotFound for a context that the feature's page does not show."""
    activations = shown_activations(source.feature, context_id)
    lines = ContextLines(source.contexts, source.tokens, source.feature.peak)
    return ContextPage(
        dictionary=source.dictionary.slug,
        dictionary_name=source.dictionary.name,
        index=source.feature.index,
        title=source.feature.label or f"Feature {source.feature.index}",
        context=lines.whole(context_id, activations),
    )


def shown_activations(feature: FeatureRecord, context_id: int) -> dict[int, float]:
    """Activations by position in a context that the page shows; empty for a control."""
    for contexts in (feature.top, feature.bands.contexts):
        places = (contexts.context_ids == context_id).nonzero()[0]
        if len(places):
            return row_activations(contexts, int(places[0]))
    if context_id in feature.controls.context_ids.tolist():
        return {}
    raise NotFound(f"context shown for feature {feature.index}", str(context_id))
