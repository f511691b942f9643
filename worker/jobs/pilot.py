"""A seeded sample of the activations at a hook, on which the thresholds of a basis are set."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from worker.corpus.tokenized import Corpus
from worker.jobs.errors import JobError
from worker.lm.model import LanguageModel
from worker.sae.conventions import Conventions

PILOT_TOKENS = 65_536
BATCH_CONTEXTS = 32


def pilot_activations(
    model: LanguageModel,
    corpus: Corpus,
    hook_names: tuple[str, ...],
    conventions: Conventions,
    *,
    seed: int = 0,
    tokens: int = PILOT_TOKENS,
) -> dict[str, Float[Tensor, "token _"]]:
    """Activations in float32 at each hook, of whole contexts drawn by seed until there are `tokens` of them or more.

    Left out, as in a harvest: special tokens, padding, position 0. Raises JobError where the corpus has none left.
    """
    contexts = corpus.contexts(n_ctx=conventions.n_ctx, prepend_bos=conventions.prepend_bos)
    order = np.random.default_rng(seed).permutation(len(contexts))
    excluded = torch.tensor(sorted({*model.tokenizer.special_ids, *conventions.excluded_tokens}), dtype=torch.int64)
    found: dict[str, list[Tensor]] = {name: [] for name in hook_names}
    kept = 0
    for start in range(0, len(order), BATCH_CONTEXTS):
        if kept >= tokens:
            break
        chosen = np.sort(order[start : start + BATCH_CONTEXTS])
        token_ids = torch.from_numpy(contexts.token_ids(chosen))
        positions = torch.arange(token_ids.shape[1])
        inside = positions < torch.from_numpy(contexts.row_lengths(chosen))[:, None]
        counted = inside & (positions > 0) & ~torch.isin(token_ids, excluded)
        acts = model.activations(token_ids, hook_names)
        for name in hook_names:
            found[name].append(acts[name].float().cpu()[counted])
        kept += int(counted.sum())
    if not kept:
        raise JobError("The corpus has no tokens that count, so no thresholds can be set on it; give it more text.")
    return {name: torch.cat(parts) for name, parts in found.items()}
