"""Trains the demo's tokenizer and turns the gathered text into token streams.

A byte-level BPE of 4,096 tokens. Digits are split singly, so that numbers have one
spelling; runs of spaces and of line ends are tokens, so that indentation is cheap.
`<|endoftext|>` is the only special token: it stands before every document and
before every context (BOS), ends text (EOS) and fills short rows (padding).
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from worker.demo.training_text import FOLDER, HELD_OUT_TEXT, TRAINING_TEXT

VOCABULARY = 4096
BOS = "<|endoftext|>"
BOS_ID = 0
TOKENIZER_FOLDER = FOLDER / "tokenizer"
MAX_LENGTH = 512
_PIECES = r"\n+[ \t]*| ?[A-Za-z\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|[ \t]+(?=[ \t]\S)|[ \t]+|\s+"
_SEED = 20_260_105
_TRAINED_ON_CHARACTERS = 40_000_000
_BATCH = 256


@dataclass(frozen=True, slots=True)
class TokenStream:
    """Documents one after another, each begun by BOS.

    tokens: ids, shape (token,), uint16. starts: where each document's BOS is.
    """

    tokens: np.ndarray
    starts: np.ndarray


def open_stream(name: str, folder: Path = Path("build")) -> TokenStream:
    """The memory-mapped stream 'train' or 'heldout'. Raises FileNotFoundError before it is made."""
    tokens = np.memmap(folder / f"{name}.bin", dtype=np.uint16, mode="r")
    return TokenStream(tokens=tokens, starts=np.load(folder / f"{name}.starts.npy"))


def trained_tokenizer(texts: Iterator[str]) -> Tokenizer:
    """A byte-level BPE tokenizer learned from the texts, adding BOS to what it encodes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, BOS_ID)]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json as Hugging Face lays them out."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": BOS,
        "pad_token": BOS,
        "unk_token": None,
        "add_bos_token": True,
        "model_max_length": MAX_LENGTH,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_stream(tokenizer: Tokenizer, texts: list[str], name: str, folder: Path) -> int:
    """Encodes the texts in their order and writes NAME.bin and NAME.starts.npy.

    Returns the number of tokens written, each document's BOS counted.
    """
    starts, position = [], 0
    with (folder / f"{name}.bin").open("wb") as output:
        for first in range(0, len(texts), _BATCH):
            for encoding in tokenizer.encode_batch(texts[first : first + _BATCH]):
                starts.append(position)
                position += len(encoding.ids)
                output.write(np.asarray(encoding.ids, dtype=np.uint16).tobytes())
    np.save(folder / f"{name}.starts.npy", np.asarray(starts, dtype=np.int64))
    return position


def main() -> None:
    """Trains the tokenizer, then writes build/train.bin and build/heldout.bin."""
    training, held_out = _shuffled_texts(TRAINING_TEXT), _shuffled_texts(HELD_OUT_TEXT)
    tokenizer = trained_tokenizer(_first(training, _TRAINED_ON_CHARACTERS))
    save_tokenizer(tokenizer, TOKENIZER_FOLDER)
    for name, texts in (("train", training), ("heldout", held_out)):
        tokens = write_stream(tokenizer, texts, name, Path("build"))
        characters = sum(map(len, texts))
        print(f"{name}: {len(texts)} documents, {tokens} tokens, {characters / tokens:.2f} each.")


def _shuffled_texts(path: Path) -> list[str]:
    with path.open() as lines:
        texts = [json.loads(line)["text"] for line in lines]
    random.Random(_SEED).shuffle(texts)
    return texts


def _first(texts: list[str], characters: int) -> Iterator[str]:
    for text in texts:
        if characters <= 0:
            return
        characters -= len(text)
        yield text


if __name__ == "__main__":
    main()
