"""What can be wrong with a language model, its files or a question put to it."""

from collections.abc import Iterable
from difflib import get_close_matches

from worker.errors import WorkerError


class LanguageModelError(WorkerError):
    """A language model, or what is asked of it, is not as it must be."""


class ModelNotFound(LanguageModelError):
    """There is no model where the source says."""


class ModelFilesError(LanguageModelError):
    """A model's files are missing, truncated or do not belong together."""


class TokenizerError(LanguageModelError):
    """A tokenizer is missing, or lacks what is asked of it."""


class ContextTooLong(LanguageModelError):
    """More tokens than the model's context holds."""


class HookNotFound(LanguageModelError):
    """The model has no hook of this name; the message lists the nearest ones it has."""

    def __init__(self, hook_name: str, known: Iterable[str], model_name: str) -> None:
        known = list(known)
        nearest = get_close_matches(hook_name, known, n=4, cutoff=0.4) or known[:4]
        super().__init__(
            f"Model {model_name!r} has no hook {hook_name!r}. The nearest it has are {', '.join(map(repr, nearest))}."
        )
        self.nearest = tuple(nearest)
