"""The hook points of one model under their TransformerLens names: which exist, how wide, and how to stand on them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from worker.lm.errors import HookNotFound
from worker.lm.whole_modules import WholeModules

Edit = Callable[[Tensor], Tensor]
# Names a dictionary is commonly attached at, in the order in which a block computes them.
_LISTED = (
    "hook_resid_pre", "ln1.hook_normalized", "attn.hook_q", "attn.hook_k", "attn.hook_v", "attn.hook_z",
    "hook_attn_out", "hook_resid_mid", "ln2.hook_normalized", "mlp.hook_in", "mlp.hook_pre",
    "mlp.hook_pre_linear", "mlp.hook_post", "hook_mlp_out", "hook_resid_post",
)  # fmt: skip
# Hooks that hold something other than one vector a token.
_NOT_ACTIVATIONS = re.compile(r"hook_(pattern|attn_scores|scale|cos|sin|rot_[qk])$")
_PROBE_TOKENS = 7
# Rounding of whole and stepwise modules may differ by this share of the largest value at a hook.
SAME = {torch.float32: 1e-4, torch.bfloat16: 6e-2, torch.float16: 1e-2}


@dataclass(frozen=True, slots=True, eq=False)
class Hooks:
    """Every hook of a model that holds one vector a token, found by running the model on a few tokens.

    widths: length of that vector, by name; heads are laid side by side, so that `attn.hook_z` is n_heads * d_head.
    listed: the names that a dictionary is commonly attached at. whole: those for which attention and norms may
    run as wholes.
    """

    model_name: str
    points: Mapping[str, HookPoint]
    widths: Mapping[str, int]
    listed: tuple[str, ...]
    whole: frozenset[str]
    modules: WholeModules

    def width(self, hook_name: str) -> int:
        """Raises HookNotFound, with the nearest names, for a hook the model does not have."""
        if hook_name not in self.widths:
            raise HookNotFound(hook_name, self.listed or self.widths, self.model_name)
        return self.widths[hook_name]

    @contextmanager
    def capturing(self, hook_names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """While open, a forward pass fills the mapping and stops as soon as it is full.

        Layers after the deepest hook do not run. Each value is (context, token, width).
        """
        found: dict[str, Tensor] = {}
        wanted: dict[int, list[str]] = {}
        for name in hook_names:
            self.width(name)
            wanted.setdefault(id(self.points[name]), []).append(name)

        def capture(value: Tensor, *, hook: HookPoint) -> None:
            found.update(dict.fromkeys(wanted[id(hook)], value.detach().flatten(2)))
            if len(found) == len(set(hook_names)):
                raise StopAtLayerException(value)

        self._choose_modules(hook_names)
        with _attached({self.points[name]: capture for name in hook_names}):
            yield found

    @contextmanager
    def editing(self, edits: Mapping[str, Edit]) -> Iterator[None]:
        """While open, what each hook holds is replaced by what its function makes of it.

        Functions see and give (context, token, width). Raises HookNotFound.
        """

        def attached(edit: Edit) -> Callable[..., Tensor]:
            return lambda value, *, hook: edit(value.flatten(2)).to(value.dtype).reshape(value.shape)

        for name in edits:
            self.width(name)
        self._choose_modules(edits)
        with _attached({self.points[name]: attached(edit) for name, edit in edits.items()}):
            yield

    def _choose_modules(self, hook_names: Iterable[str]) -> None:
        """Whole ones wherever they were found to give the same at these hooks."""
        self.modules.use(bool(self.whole) and self.whole.issuperset(hook_names))


def find_hooks(bridge: TransformerBridge, model_name: str, *, whole: bool) -> Hooks:
    """Runs the model on a few tokens and keeps the hooks that fired with one vector a token.

    whole: whether to try the model's own attention and norms too, and use them for hooks where they give the same.
    """
    points = {name: point for name, point in bridge.hook_dict.items() if not _NOT_ACTIVATIONS.search(name)}
    modules = WholeModules(bridge)
    values = _probe(bridge, points)
    same: frozenset[str] = frozenset()
    if whole and modules.possible:
        modules.use(True)
        others = _probe(bridge, points)
        modules.use(False)
        shared = others.keys() & values.keys()
        if all(_agree(values[name], others[name]) for name in shared):
            same = frozenset(shared)
    in_blocks = [f"blocks.{layer}.{name}" for layer in range(len(bridge.blocks)) for name in _LISTED]
    return Hooks(
        model_name=model_name,
        points={name: points[name] for name in values},
        widths={name: value.shape[-1] for name, value in values.items()},
        listed=tuple(name for name in ["hook_embed", *in_blocks, "ln_final.hook_normalized"] if name in values),
        whole=same,
        modules=modules,
    )


def _probe(bridge: TransformerBridge, points: Mapping[str, HookPoint]) -> dict[str, Tensor]:
    """What every hook holds for a few tokens, (1, token, width), where it is one vector a token."""
    held: dict[int, Tensor] = {}

    def keep(value: Any, *, hook: HookPoint) -> None:
        if isinstance(value, Tensor) and value.is_floating_point() and value.shape[:2] == (1, _PROBE_TOKENS):
            held[id(hook)] = value.flatten(2)

    token_ids = torch.arange(_PROBE_TOKENS, device=next(bridge.original_model.parameters()).device)[None]
    with torch.no_grad(), _attached(dict.fromkeys(points.values(), keep)):
        bridge(token_ids, return_type=None, use_cache=False)
    return {name: held[id(point)] for name, point in points.items() if id(point) in held}


def _agree(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= SAME.get(one.dtype, 0) * one.abs().max())


@contextmanager
def _attached(functions: Mapping[HookPoint, Callable[..., Tensor | None]]) -> Iterator[None]:
    handles = [(point, point.add_hook(function)) for point, function in functions.items()]
    try:
        yield
    finally:
        for point, handle in handles:
            handle.hook.remove()
            point.fwd_hooks.remove(handle)
