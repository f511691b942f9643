"""Text cut into the rows that go through a model, by the rules of the dictionaries that read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from worker.corpus.contexts import cut_contexts
from worker.live.dictionary import LiveDictionary, LiveModel
from worker.live.errors import LiveError, too_much
from worker.live.limits import LiveLimits
from worker.live.request import LiveRequest, Mode
from worker.lm.errors import TokenizerError

TokenIds = Int64[np.ndarray, " _"]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One context of one text, and the dictionaries that read it: all of one model.

    margins_of: a feature of theirs whose pre-activations are wanted too.
    """

    text: int
    token_ids: TokenIds
    model: LiveModel
    dictionaries: tuple[LiveDictionary, ...]
    margins_of: int | None = None


def rows_of(request: LiveRequest, dictionaries: Sequence[LiveDictionary], limits: LiveLimits) -> list[Row]:
    """Every row of a request, those of one text and dictionary in their order.

    Raises LiveError over the limit of tokens, and on text that a model or its tokenizer cannot take.
    """
    rows, n_tokens = [], 0
    for group in alike(dictionaries):
        for text, token_ids in enumerate(_contexts(request, group[0])):
            n_tokens += sum(map(len, token_ids))
            if n_tokens > limits.tokens:
                raise _too_many_tokens(n_tokens, limits)
            rows += [Row(text, ids, group[0].model, group, request.margins_of) for ids in token_ids]
    return rows


def alike(dictionaries: Iterable[LiveDictionary]) -> list[tuple[LiveDictionary, ...]]:
    """Dictionaries by what their contexts depend on: model, BOS and length. Each group shares its rows."""
    groups: dict[tuple[int, int | None, int], list[LiveDictionary]] = {}
    for each in dictionaries:
        groups.setdefault((id(each.model), each.bos_id, each.n_ctx), []).append(each)
    return [tuple(group) for group in groups.values()]


def _contexts(request: LiveRequest, dictionary: LiveDictionary) -> list[list[TokenIds]]:
    """The contexts of each text."""
    if request.token_ids:
        return [[_given(ids, dictionary)] if ids else [] for ids in request.token_ids]
    try:
        encoded = dictionary.model.tokenizer.encode(request.texts)
    except TokenizerError as error:
        raise LiveError(str(error), code="bad_text") from error
    return [_cut(ids.astype(np.int64), dictionary, request.mode) for ids in encoded]


def _given(ids: Sequence[int], dictionary: LiveDictionary) -> TokenIds:
    if len(ids) > dictionary.model.n_ctx:
        raise _too_long(len(ids), dictionary, "Send contexts as they are stored.")
    if max(ids) >= dictionary.model.d_vocab:
        raise LiveError(
            f"token_ids holds {max(ids)}; model {dictionary.model.name!r} has tokens 0 to "
            f"{dictionary.model.d_vocab - 1:,}."
        )
    return np.asarray(ids, dtype=np.int64)


def _cut(token_ids: TokenIds, dictionary: LiveDictionary, mode: Mode) -> list[TokenIds]:
    prefix = np.array([] if dictionary.bos_id is None else [dictionary.bos_id], dtype=np.int64)
    longest = dictionary.model.n_ctx if mode == "whole" else dictionary.n_ctx
    width = longest - len(prefix)
    if mode == "whole" and len(token_ids) > width:
        raise _too_long(len(token_ids) + len(prefix), dictionary, "Choose 'cut', as the harvest cuts long texts.")
    _, starts, lengths = cut_contexts(np.array([0, len(token_ids)]), max(1, width))
    pieces = zip(starts.tolist(), lengths.tolist(), strict=True)
    return [np.concatenate([prefix, token_ids[start : start + length]]) for start, length in pieces]


def _too_long(value: int, dictionary: LiveDictionary, hint: str) -> LiveError:
    return LiveError(
        f"The text has {value:,} tokens in one piece; model {dictionary.model.name!r} takes "
        f"{dictionary.model.n_ctx:,} at most.",
        status=413,
        code="too_large",
        hint=hint,
    )


def _too_many_tokens(value: int, limits: LiveLimits) -> LiveError:
    return too_much("tokens or more", value=value, limit=limits.tokens, setting="FEATURESCOPE_LIVE_MAX_TOKENS")
