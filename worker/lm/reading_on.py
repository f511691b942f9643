"""Whether a model may read on from the keys and values kept of earlier tokens: tried, not assumed."""

import logging
from typing import Any

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from worker.lm.hooks import SAME, Hooks

log = logging.getLogger(__name__)
_PROBE_TOKENS = 7
_READ_FIRST = 4


def read_on(bridge: TransformerBridge, token_ids: Tensor, kept: Any) -> tuple[Tensor, Any]:
    """Logits of these tokens, (context, token, d_vocab), after those that `kept` is of; and what is kept then.

    kept: what an earlier call gave, which belongs to the next one alone; None before the first token.
    """
    return bridge(token_ids, return_type="logits_and_cache", past_key_values=kept, use_cache=True)


def can_read_on(bridge: TransformerBridge, hooks: Hooks) -> bool:
    """Whether reading token by token gives what reading all at once does, with whole modules and with stepwise ones."""
    if not getattr(bridge.adapter, "supports_kv_cache", True):
        return False
    return all(_gives_the_same(bridge, hooks, whole) for whole in ([False, True] if hooks.whole else [False]))


def _gives_the_same(bridge: TransformerBridge, hooks: Hooks, whole: bool) -> bool:
    hooks.modules.use(whole)
    token_ids = torch.arange(_PROBE_TOKENS, device=next(bridge.original_model.parameters()).device)[None]
    at_once = bridge(token_ids, return_type="logits", use_cache=False)[0, -1]
    try:
        logits, kept = read_on(bridge, token_ids[:, :_READ_FIRST], None)
        for at in range(_READ_FIRST, _PROBE_TOKENS):
            if kept is None:
                return False
            logits, kept = read_on(bridge, token_ids[:, at : at + 1], kept)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        log.info("This model keeps nothing of what it has read, and reads each text anew for every token: %s", error)
        return False
    gap = (logits[0, -1] - at_once).abs().max()
    return bool(gap <= SAME.get(at_once.dtype, 0) * at_once.abs().max())
