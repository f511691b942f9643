"""Steering the slow way: TransformerLens's own hooks, the dictionary's own dense encode, a loop over every token."""

from collections.abc import Sequence

import numpy as np
import torch

from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

Change = tuple[Dictionary, int, str, float]


def steered_logits(model: LanguageModel, token_ids: Sequence[int], changes: Sequence[Change]) -> torch.Tensor:
    """Logits of one context, (token, d_vocab), with x + (v - f) d at every token but the first and special ones."""
    left_out = [at for at, token in enumerate(token_ids) if at == 0 or token in model.tokenizer.special_ids]

    def hook_for(mine: Sequence[Change]):
        def hook(value: torch.Tensor, **_: object) -> torch.Tensor:
            new = value.clone()
            for at in range(value.shape[1]):
                x = value[0, at].flatten()
                total = torch.zeros_like(x)
                for dictionary, feature, mode, amount in mine:
                    f = dictionary.encode(x[None])[0, feature]
                    v = {"add": f + amount, "set": torch.tensor(amount), "remove": torch.tensor(0.0)}[mode]
                    total += (v - f) * dictionary.decoder_direction(feature)
                if at not in left_out:
                    new[0, at] = (x + total).reshape(value[0, at].shape)
            return new

        return hook

    names = dict.fromkeys(dictionary.hook_name for dictionary, *_ in changes)
    hooks = [(name, hook_for([each for each in changes if each[0].hook_name == name])) for name in names]
    with torch.no_grad():
        return model._bridge.run_with_hooks(torch.tensor([list(token_ids)]), fwd_hooks=hooks)[0]


def written(
    model: LanguageModel, prompt: Sequence[int], changes: Sequence[Change], *, n: int, temperature: float, seed: int
) -> list[int]:
    """The tokens that follow a prompt, everything read anew for each; one uniform number a token and step.

    By inversion of the exponential race, which is another way to write the Gumbel trick.
    """
    token_ids = list(prompt)
    for step in range(n):
        logits = steered_logits(model, token_ids, changes)[-1].double().numpy()
        if temperature == 0:
            token_ids.append(int(np.argmax(logits)))
            continue
        weights = np.exp((logits - logits.max()) / temperature)
        noise = np.random.default_rng([seed, step]).gumbel(size=len(logits))
        token_ids.append(int(np.argmin(np.exp(-noise) / weights)))
    return token_ids[len(prompt) :]
