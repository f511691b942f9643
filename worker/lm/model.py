"""A language model that yields and takes activations at its hooks; TransformerLens's bridge is inside."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from worker.lm.bridge import boot_bridge
from worker.lm.errors import ContextTooLong, LanguageModelError
from worker.lm.files import ModelFiles, find_model
from worker.lm.hooks import Hooks, find_hooks
from worker.lm.logit_path import LastPass, LogitPath, find_logit_path, last_hooks
from worker.lm.placement import choose_device, choose_dtype
from worker.lm.reading_on import can_read_on, read_on
from worker.lm.tokenizer import Tokenizer, tokenizer_of_folder
from worker.lm.weights import hash_weights

WeightProcessing = Literal["raw", "folded"]


class LanguageModel:
    """A decoder with its tokenizer, on one device, in one dtype; safe to ask from several threads.

    name: the folder's or the hub's name. source: what was asked for. revision: the hub's commit, if any.
    weights_hash: of the files' tensors, before any folding. d_vocab: length of the logits, which may be
    more than the tokenizer has tokens. n_ctx: the longest context it was built for. n_bytes: of its weights.
    weight_processing: "raw", as stored; or "folded": norms folded into what reads them, writing weights and
    unembedding centred, which changes activations but not the logits' differences.
    """

    def __init__(
        self,
        files: ModelFiles,
        bridge: TransformerBridge,
        tokenizer: Tokenizer,
        *,
        weights_hash: str,
        weight_processing: WeightProcessing,
    ) -> None:
        self.name = files.name
        self.source = files.source
        self.revision = files.revision
        self.weights_hash = weights_hash
        self.weight_processing: WeightProcessing = weight_processing
        self.tokenizer = tokenizer
        self.architecture: str = files.config()["architectures"][0]
        self.d_model: int = bridge.cfg.d_model
        self.n_layers: int = bridge.cfg.n_layers
        self.n_ctx: int = bridge.cfg.n_ctx
        self.d_vocab: int = bridge.unembed.W_U.shape[1]
        parameter = next(bridge.original_model.parameters())
        self.device: torch.device = parameter.device
        self.dtype: torch.dtype = parameter.dtype
        self.n_bytes: int = sum(each.numel() * each.element_size() for each in bridge.original_model.parameters())
        self._bridge = bridge
        self._lock = threading.Lock()

    def hook_names(self) -> tuple[str, ...]:
        """TransformerLens names a dictionary can sit on, in the order in which they are computed."""
        return self._hooks.listed

    def hook_width(self, hook_name: str) -> int:
        """Length of the vector a hook holds for each token. Raises HookNotFound, naming the nearest hooks."""
        return self._hooks.width(hook_name)

    def activations(
        self, token_ids: Int[Tensor, "context token"], hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "context token _"]]:
        """What each hook holds, (context, token, width), in the model's dtype and on its device.

        One forward pass, which stops after the deepest hook. Padding on the right changes nothing to its left.
        Raises HookNotFound and ContextTooLong.
        """
        token_ids = self._checked(token_ids)
        hooks = self._hooks
        with self._lock, torch.no_grad(), hooks.capturing(hook_names) as found:
            self._bridge(token_ids, return_type=None, use_cache=False)
        return {name: found[name] for name in hook_names}

    def logits(
        self,
        token_ids: Int[Tensor, "context token"],
        *,
        edit: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> Float[Tensor, "context token d_vocab"]:
        """The next-token logits, in the model's dtype.

        edit: by hook name, a function from what the hook holds, (context, token, width), to what it shall hold.
        Raises HookNotFound and ContextTooLong.
        """
        token_ids = self._checked(token_ids)
        hooks = self._hooks
        with self._lock, torch.no_grad(), hooks.editing(edit or {}):
            return self._bridge(token_ids, return_type="logits", use_cache=False)

    def read_on(
        self,
        token_ids: Int[Tensor, "context token"],
        kept: Any = None,
        *,
        edit: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> tuple[Float[Tensor, "context d_vocab"], Any]:
        """The logits after the last of these tokens, float32, and what is kept of all tokens so far.

        kept: of the tokens before these, as the call before gave it, which is spent by this one; None at the
        beginning. Sound only where `reads_on` is true. edit: as for `logits`; sees these tokens alone.
        """
        token_ids = self._checked(token_ids)
        hooks = self._hooks
        with self._lock, torch.no_grad(), hooks.editing(edit or {}):
            logits, kept = read_on(self._bridge, token_ids, kept)
        return logits[:, -1].float(), kept

    @property
    def reads_on(self) -> bool:
        """Whether `read_on` gives what reading everything anew does; found out by trying."""
        return self._reads_on

    @cached_property
    def _reads_on(self) -> bool:
        hooks = self._hooks
        with self._lock, torch.no_grad():
            return can_read_on(self._bridge, hooks)

    def last_pass(self, token_ids: Int[Tensor, "context token"], hook_name: str) -> LastPass:
        """What a hook holds, what the final norm makes of the residual stream, and the logits, of one forward pass.

        Raises HookNotFound and ContextTooLong.
        """
        held: dict[str, Tensor] = {}

        def keeper(name: str) -> Callable[[Tensor], Tensor]:
            return lambda value: held.setdefault(name, value.detach())

        names = dict.fromkeys((hook_name, *last_hooks(self._hooks.widths)))
        logits = self.logits(token_ids, edit={name: keeper(name) for name in names})
        before, after = last_hooks(self._hooks.widths)
        return LastPass(held[hook_name].float(), held[before].float(), held[after].float(), logits.float())

    def path_to_logits(self, hook_name: str) -> LogitPath | None:
        """How a direction at the hook reaches the logits directly; None where no fixed matrix takes it there.

        Raises HookNotFound.
        """
        self.hook_width(hook_name)
        with self._lock:
            return find_logit_path(self._bridge, hook_name)

    @cached_property
    def _hooks(self) -> Hooks:
        with self._lock:
            return find_hooks(self._bridge, self.name, whole=self.weight_processing == "raw")

    def _checked(self, token_ids: Tensor) -> Tensor:
        if token_ids.shape[1] > self.n_ctx:
            raise ContextTooLong(
                f"A context of {token_ids.shape[1]} tokens does not fit model {self.name!r}, "
                f"whose n_ctx is {self.n_ctx}. Cut the text, or choose a smaller n_ctx."
            )
        if token_ids.numel() and int(token_ids.max()) >= self.d_vocab:
            raise LanguageModelError(
                f"Token id {int(token_ids.max())} is beyond model {self.name!r}, whose ids go to {self.d_vocab - 1}; "
                "the text was tokenised for another model."
            )
        return token_ids.to(self.device)


def load_language_model(
    source: str | Path, *, device: str = "auto", dtype: str = "auto", weight_processing: WeightProcessing = "raw"
) -> LanguageModel:
    """Loads a model from a folder or a hub name; a folder never touches the network, and no code of a model is run.

    device, dtype: 'auto' takes the GPU if there is one, and whichever of bfloat16 and float32 is faster there.
    Raises ModelNotFound, ModelFilesError, TokenizerError and LanguageModelError, each naming the way out.
    """
    files = find_model(source)
    weights_hash = hash_weights(files.weights)
    tokenizer = tokenizer_of_folder(files.folder)
    placed = choose_device(device)
    bridge = boot_bridge(files, tokenizer, device=placed, dtype=choose_dtype(dtype, placed))
    if weight_processing == "folded":
        bridge.enable_compatibility_mode(disable_warnings=True)
    return LanguageModel(files, bridge, tokenizer, weights_hash=weights_hash, weight_processing=weight_processing)
