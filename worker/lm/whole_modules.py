"""Whether a model runs its own attention and norms as wholes, or the bridge's step by step, whose inner hooks fire."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components import NormalizationBridge

_FUSED, _STEPWISE = "sdpa", "eager"


class WholeModules:
    """Switches all attention and norms of a bridge between whole and stepwise.

    The bridge rebuilds attention from its parts so that scores and patterns have hooks, which writes a
    (context, head, token, token) array several times over, and works out every norm's scale beside the norm
    itself. Where nobody looks at those, the model's own modules do the same with one kernel each.
    `possible` is False where the blocks have no plain attention to hand over to.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self._model: Any = bridge.original_model
        attentions = [block._modules.get("attn") for block in bridge.blocks]
        self.possible = (
            bool(attentions)
            and all(map(_wraps_a_module, attentions))
            and bool(getattr(self._model, "_supports_sdpa", False))
        )
        modules = [*attentions, *_norms(bridge)] if self.possible else []
        self._stepwise: dict[Any, Callable[..., Any]] = {module: module.forward for module in modules}
        self._is_whole = False

    def use(self, whole: bool) -> None:
        """Takes effect with the next forward pass; nothing to do where it is so already."""
        if whole == self._is_whole or not self.possible:
            return
        for module, stepwise in self._stepwise.items():
            # Past the bridge's own __setattr__, which would pass the function on to the wrapped module.
            object.__setattr__(module, "forward", _whole(module) if whole else stepwise)
        self._model.set_attn_implementation(_FUSED if whole else _STEPWISE)
        self._is_whole = whole


def _norms(bridge: TransformerBridge) -> Iterator[nn.Module]:
    for owner in (bridge, *bridge.blocks):
        for module in owner._modules.values():
            if isinstance(module, NormalizationBridge) and _wraps_a_module(module):
                yield module


def _wraps_a_module(module: Any) -> bool:
    inner = getattr(module, "original_component", None)
    return isinstance(inner, nn.Module) and hasattr(module, "hook_in") and hasattr(module, "hook_out")


def _whole(module: Any) -> Callable[..., Any]:
    """The wrapped module called as a whole, between the hooks at its input and its output."""
    inner = module.original_component

    def forward(*args: Any, **kwargs: Any) -> Any:
        if args:
            args = (module.hook_in(args[0]), *args[1:])
        else:
            kwargs["hidden_states"] = module.hook_in(kwargs["hidden_states"])
        output = inner(*args, **kwargs)
        if isinstance(output, tuple):
            return (module.hook_out(output[0]), *output[1:])
        return module.hook_out(output)

    return forward
