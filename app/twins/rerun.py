"""A context that was run again as plain JSON values."""

from typing import Any

from app.pages.feature import FeatureSource
from app.pages.rerun import rerun
from app.twins.records import plain
from catalog.live_answers import LiveAnswer


def rerun_json(source: FeatureSource, context_id: int, answer: LiveAnswer) -> dict[str, Any]:
    """Stored and live at every token that fires in either, and whether they agree."""
    found = rerun(source, context_id, answer)
    agreement = found.agreement
    token_ids = source.contexts[context_id].token_ids.tolist()
    texts = source.tokens.vocabulary.texts(token_ids)
    columns = zip(
        agreement.positions.tolist(),
        agreement.stored.tolist(),
        agreement.live.tolist(),
        agreement.is_flip.tolist(),
        agreement.is_near.tolist(),
        strict=True,
    )
    return {
        "dictionary": source.dictionary.slug,
        "index": source.feature.index,
        "context": context_id,
        "harvest": source.harvest.id,
        "agrees": None if found.others else agreement.passes,
        "other_makings": list(found.others),
        "greatest_difference": plain(agreement.greatest),
        "allowed_difference": plain(agreement.allowed),
        "tolerance": found.tolerance,
        "flips": agreement.n_flips,
        "unexplained_flips": agreement.n_unexplained,
        "tokens": [
            {
                "position": position,
                "token": texts[position],
                "token_id": token_ids[position],
                "stored": plain(stored),
                "live": plain(live),
                "difference": plain(live - stored),
                "flip": is_flip,
                "near_bar": is_flip and is_near,
            }
            for position, stored, live, is_flip, is_near in columns
        ],
        "harvested_in": found.harvest_dtype,
        "worker": dict(found.facts),
    }
