"""The tokenizer of a model: text to token ids, the rules it follows, and the bytes behind each id."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from jinja2 import TemplateError
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from worker.lm.errors import TokenizerError
from worker.lm.files import find_model
from worker.lm.token_bytes import bytes_of_tokens

_PROBE = "a"


class Tokenizer:
    """A Hugging Face tokenizer with its rules written down.

    Text is only ever text: a special token spelled out in a document is not parsed as one.
    hash: of its content, the same wherever the folder lies.
    prepend_bos: whether the tokenizer itself begins a text with BOS.
    pad_id: fills short rows on the right; never seen by the model's real positions.
    special_ids: tokens that stand for no text.
    """

    def __init__(self, wrapped: PreTrainedTokenizerBase) -> None:
        backend = getattr(wrapped, "backend_tokenizer", None)
        if backend is None:
            raise TokenizerError(
                f"The tokenizer {type(wrapped).__name__} has no fast form; "
                "save it with tokenizer.json beside the model."
            )
        self.wrapped: Any = wrapped
        self._description = json.loads(backend.to_str())
        self._text_only = _without_limits(backend)
        self._text_only.encode_special_tokens = True
        self._with_special = _without_limits(backend)
        self.bos_id: int | None = self.wrapped.bos_token_id
        self.eos_id: int | None = self.wrapped.eos_token_id
        self.pad_id = _first_known(self.wrapped.pad_token_id, self.eos_id, self.bos_id, 0)
        vocabulary = backend.get_vocab(with_added_tokens=True)
        self.d_vocab = max(vocabulary.values(), default=-1) + 1
        marked = (token["id"] for token in self._description.get("added_tokens", ()) if token["special"])
        self.special_ids = frozenset([*wrapped.all_special_ids, *marked])
        around = backend.encode(_PROBE, add_special_tokens=True).ids
        self.prepend_bos = self.bos_id is not None and around[:1] == [self.bos_id]
        self._appends_eos = self.eos_id is not None and around[-1:] == [self.eos_id]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the vocabulary, the merges, every step of the pipeline, and the rules."""
        content = {key: value for key, value in self._description.items() if key not in ("truncation", "padding")}
        text = json.dumps([content, dict(self.rules)], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def rules(self) -> Mapping[str, Any]:
        """What is written down with the model, as plain JSON values."""
        return {
            "bos_token": self.wrapped.bos_token,
            "bos_id": self.bos_id,
            "prepend_bos": self.prepend_bos,
            "eos_token": self.wrapped.eos_token,
            "eos_id": self.eos_id,
            "append_eos": False,
            "appends_eos_by_itself": self._appends_eos,
            "pad_token": self.wrapped.convert_ids_to_tokens(self.pad_id),
            "pad_id": self.pad_id,
            "padding_side": "right",
            "special_ids": sorted(self.special_ids),
            "special_tokens_in_text": "kept as text",
            "d_vocab": self.d_vocab,
            "has_chat_template": self.wrapped.chat_template is not None,
        }

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """The token ids of each text, without BOS; on all cores, the GIL released.

        Raises TokenizerError on text that is not Unicode (lone surrogates).
        """
        return _encoded(self._text_only, texts)

    def encode_chat(self, messages: Sequence[Mapping[str, Any]]) -> NDArray[np.uint32]:
        """The token ids of a conversation: the template's special tokens are parsed, the messages' text is not.

        A BOS that the template writes is left out, since contexts get theirs from the BOS rule.
        """
        parts = self._chat_parts(messages)
        pieces = [
            _encoded(self._text_only if is_content else self._with_special, [text])[0] for text, is_content in parts
        ]
        token_ids = np.concatenate([np.empty(0, np.uint32), *pieces])
        return token_ids[1:] if self.bos_id is not None and token_ids[:1] == self.bos_id else token_ids

    def apply_chat_template(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The conversation as one text. Raises TokenizerError without a template, or on messages it refuses."""
        if self.wrapped.chat_template is None:
            raise TokenizerError(
                "The tokenizer has no chat template, so conversations cannot be written out. "
                "Use a chat model, or give the field that holds plain text."
            )
        try:
            return str(self.wrapped.apply_chat_template(list(messages), tokenize=False))
        except (KeyError, TypeError, ValueError, AttributeError, TemplateError) as error:
            raise TokenizerError(
                f"The chat template refuses these messages: {error}. They need 'role' and 'content'."
            ) from error

    def token_bytes(self, d_vocab: int | None = None) -> list[bytes]:
        """The bytes that each id stands for; special tokens give their name, ids without a token nothing.

        d_vocab: length of the list, for models with more logits than the tokenizer has tokens.
        """
        return bytes_of_tokens(self._description, self.special_ids, max(self.d_vocab, d_vocab or 0))

    def _chat_parts(self, messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, bool]]:
        """The written-out conversation in pieces, each with whether somebody else's text is in it."""
        contents = [str(message.get("content", "")) for message in messages]
        names = [self.wrapped.convert_ids_to_tokens(token) for token in self.special_ids]
        if not any(name in content for content in contents for name in names):
            return [(self.apply_chat_template(messages), False)]
        marks = [f"\ue000{index}\ue001" for index in range(len(messages))]
        rest = self.apply_chat_template(
            [{**message, "content": mark} for message, mark in zip(messages, marks, strict=True)]
        )
        parts = []
        for mark, content in zip(marks, contents, strict=True):
            before, found, after = rest.partition(mark)
            if found:
                parts += [(before, False), (content, True)]
                rest = after
        return [*parts, (rest, False)]


def load_tokenizer(source: str | Path) -> Tokenizer:
    """The tokenizer of a model's folder or hub name. Raises ModelNotFound, ModelFilesError and TokenizerError."""
    return tokenizer_of_folder(find_model(source).folder)


def tokenizer_of_folder(folder: Path) -> Tokenizer:
    """The tokenizer in a folder, which is never sought anywhere else."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")):
        raise TokenizerError(
            f"{folder} has no tokenizer; expected tokenizer.json. Copy the one the model was trained with."
        )
    try:
        wrapped = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenizerError(f"The tokenizer in {folder} cannot be read: {error}.") from error
    return Tokenizer(wrapped)


def _without_limits(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    copy = tokenizers.Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def _encoded(backend: tokenizers.Tokenizer, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
    try:
        encodings = backend.encode_batch_fast(list(texts), add_special_tokens=False)
    except (TypeError, UnicodeEncodeError) as error:
        raise TokenizerError(
            "A text holds half of a surrogate pair, which is no Unicode text; replace it first."
        ) from error
    return [np.asarray(encoding.ids, dtype=np.uint32) for encoding in encodings]


def _first_known(*token_ids: int | None) -> int:
    return next(token_id for token_id in token_ids if token_id is not None)
