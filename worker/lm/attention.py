"""Which attention a model runs: its own fused kernel, or the bridge's step by step, whose inner hooks fire."""

from collections.abc import Callable
from typing import Any

from torch import nn
from transformer_lens.model_bridge import TransformerBridge

_FUSED, _STEPWISE = "sdpa", "eager"


class AttentionSwitch:
    """Switches all blocks of a bridge between fused and stepwise attention.

    The bridge rebuilds attention from its parts so that scores and patterns have hooks; that writes a
    (context, head, token, token) array several times over. Where nobody looks at those, the model's own module
    does the same with one kernel. `possible` is False where the blocks have no plain attention to hand over to.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self._model = bridge.original_model
        attentions = [block._modules.get("attn") for block in bridge.blocks]
        self._stepwise = {attention: attention.forward for attention in attentions if attention is not None}
        self.possible = (
            bool(attentions)
            and len(self._stepwise) == len(attentions)
            and getattr(self._model, "_supports_sdpa", False)
            and all(_is_plain(attention) for attention in self._stepwise)
        )
        self._is_fused = False

    def use(self, *, fused: bool) -> None:
        """Takes effect with the next forward pass; nothing to do where it is so already."""
        if fused == self._is_fused or not self.possible:
            return
        for attention, stepwise in self._stepwise.items():
            # Past the bridge's own __setattr__, which would pass the function on to the wrapped module.
            object.__setattr__(attention, "forward", _whole(attention) if fused else stepwise)
        self._model.set_attn_implementation(_FUSED if fused else _STEPWISE)
        self._is_fused = fused


def _is_plain(attention: nn.Module) -> bool:
    inner = getattr(attention, "original_component", None)
    return isinstance(inner, nn.Module) and hasattr(attention, "hook_in") and hasattr(attention, "hook_out")


def _whole(attention: Any) -> Callable[..., Any]:
    """The wrapped module called as a whole, between the hooks at its input and its output."""
    inner = attention.original_component

    def forward(*args: Any, **kwargs: Any) -> Any:
        if args:
            args = (attention.hook_in(args[0]), *args[1:])
        else:
            kwargs["hidden_states"] = attention.hook_in(kwargs["hidden_states"])
        output = inner(*args, **kwargs)
        if isinstance(output, tuple):
            return (attention.hook_out(output[0]), *output[1:])
        return attention.hook_out(output)

    return forward
