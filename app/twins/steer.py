"""What taking features away does, and logits taken apart, as JSON."""

from typing import Any

from app.live.attribution import Attribution, Part
from app.live.effects import Effects
from app.live.steering import Chosen
from app.twins.records import plain
from catalog.tokens import Vocabulary


def effects_json(found: Effects) -> dict[str, Any]:
    """The text, its log probabilities, and what each feature does to them."""
    return {
        "token_ids": found.token_ids.tolist(),
        "tokens": found.tokens.vocabulary.texts(found.token_ids),
        "position": found.position,
        "log_probabilities": [plain(value) for value in found.log_probabilities.tolist()],
        "n_firing": found.n_firing,
        "effects": [
            {
                **_feature(each.feature),
                "activation": plain(each.activation),
                "at": each.at,
                "heat": plain(each.heat),
                "before": plain(each.before),
                "after": plain(each.after),
                "change": plain(each.change),
                "whole_text": plain(each.whole),
            }
            for each in found.effects
        ],
    }


def attribution_json(found: Attribution) -> dict[str, Any]:
    """The targets with their logits, and every part of them."""
    vocabulary = found.tokens.vocabulary
    columns = zip(found.targets, found.logits, found.log_probabilities, strict=True)
    return {
        "dictionary": found.dictionary.slug,
        "token_ids": list(found.token_ids),
        "tokens": vocabulary.texts(found.token_ids),
        "position": found.position,
        "following": found.following,
        "mean_logit": plain(found.mean_logit),
        "targets": [
            {"id": token, "text": vocabulary.text(token), "logit": plain(logit), "log_probability": plain(probability)}
            for token, logit, probability in columns
        ],
        "features": [
            {**_feature(feature), "activation": plain(activation), **_part(part, vocabulary)}
            for feature, activation, part in found.features
        ],
        "others": None if found.others is None else _part(found.others, vocabulary),
        "n_others": found.n_others,
        "parts": {name: _part(part, vocabulary) for name, part in found.parts.items()},
        "gap": plain(found.gap),
    }


def _feature(feature: Chosen) -> dict[str, Any]:
    return {"dictionary": feature.dictionary.slug, "feature": feature.index, "label": feature.label}


def _part(part: Part, vocabulary: Vocabulary) -> dict[str, Any]:
    def pushed(rows: tuple[tuple[int, float], ...]) -> list[dict[str, Any]]:
        return [{"id": token, "text": vocabulary.text(token), "amount": plain(amount)} for token, amount in rows]

    return {
        "on_targets": [plain(value) for value in part.on_targets],
        "mean": plain(part.mean),
        "up": pushed(part.up),
        "down": pushed(part.down),
    }
