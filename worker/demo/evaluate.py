"""Measures the shipped model and the n-gram model on the demo corpus and on held-out text.

Both read the same contexts, and both have learned from the same ones.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXForCausalLM, PreTrainedModel

from worker.corpus.python_stdlib import documents
from worker.demo.architecture import CONTEXT, MODEL_FOLDER
from worker.demo.contexts import document_contexts, training_contexts
from worker.demo.kneser_ney import KneserNey, train_kneser_ney
from worker.demo.tokenizer import BOS_ID, VOCABULARY, TokenStream, open_stream
from worker.demo.train_model import RECIPE

MEASURES = MODEL_FOLDER / "training.json"
ORDER = 5
_BATCH, _THREADS = 4, 2
_IGNORED = -100
_CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean losses on one text, in nats for each predicted token.

    tokens: how many were predicted. characters: of text; bits: the model's loss for
    each of them.
    """

    tokens: int
    characters: int
    model: float
    kneser_ney: float
    bits: float


def model_losses(model: PreTrainedModel, contexts: Sequence[np.ndarray]) -> float:
    """The sum of the model's losses over all tokens of the contexts but the first, in nats."""
    batches = [contexts[first : first + _BATCH] for first in range(0, len(contexts), _BATCH)]
    with ThreadPoolExecutor(_THREADS, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        return sum(threads.map(partial(_batch_loss, model), batches))


def compared(
    model: PreTrainedModel, grams: KneserNey, contexts: Sequence[np.ndarray], *, characters: int
) -> Comparison:
    """Both models' mean losses on the contexts. characters: of the text that they spell."""
    longest_first = sorted(contexts, key=len, reverse=True)
    tokens = sum(len(context) - 1 for context in contexts)
    own = model_losses(model, longest_first)
    other = float(grams.losses(np.concatenate(contexts)).sum())
    return Comparison(
        tokens=tokens,
        characters=characters,
        model=round(own / tokens, 4),
        kneser_ney=round(other / tokens, 4),
        bits=round(own / np.log(2) / characters, 4),
    )


def held_out_contexts(stream: TokenStream) -> Iterator[np.ndarray]:
    """The contexts of a stream's documents, cut as those of a corpus are."""
    ends = [*stream.starts[1:], len(stream.tokens)]
    for start, end in zip(stream.starts, ends, strict=True):
        yield from document_contexts(np.asarray(stream.tokens[start + 1 : end]), n_ctx=CONTEXT)


def main() -> None:
    """Writes assets/model/training.json: the recipe, the losses and what they were measured on."""
    report = json.loads(RECIPE.read_text())
    seen = report["steps"] * report["recipe"]["rows"]
    trained = training_contexts(open_stream("train"), n_ctx=CONTEXT, seed=report["recipe"]["seed"])
    grams = train_kneser_ney(np.concatenate(list(islice(trained, seen))), order=ORDER, vocabulary=VOCABULARY)
    model = GPTNeoXForCausalLM.from_pretrained(MODEL_FOLDER, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
    demo, demo_characters = _demo_contexts(tokenizer)
    held_out = open_stream("heldout")
    measures = {
        "recipe": report["recipe"],
        "steps": report["steps"],
        "tokens": report["tokens"],
        "minutes": report["minutes"],
        "stream_tokens": len(open_stream("train").tokens),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "loss_curve": _curve(report["losses"]),
        "demo_corpus": asdict(compared(model, grams, demo, characters=demo_characters)),
        "held_out": asdict(
            compared(
                model,
                grams,
                list(held_out_contexts(held_out)),
                characters=len(tokenizer.decode(held_out.tokens.tolist())),
            )
        ),
    }
    MEASURES.write_text(json.dumps(measures, indent=1) + "\n")
    print(json.dumps({name: measures[name] for name in ("demo_corpus", "held_out")}))


def _demo_contexts(tokenizer: Tokenizer) -> tuple[list[np.ndarray], int]:
    texts = [document.text for document in documents()]
    contexts: list[np.ndarray] = []
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        contexts += document_contexts(np.asarray(encoding.ids), n_ctx=CONTEXT)
    return contexts, sum(map(len, texts))


@torch.inference_mode()
def _batch_loss(model: PreTrainedModel, contexts: Sequence[np.ndarray]) -> float:
    ids, targets = _padded(contexts)
    logits = model(ids[:, :-1], use_cache=False).logits.float()
    wanted = targets[:, 1:].flatten()
    return cross_entropy(logits.flatten(0, 1), wanted, ignore_index=_IGNORED, reduction="sum").item()


def _padded(contexts: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets, filled up at their ends; the filling is no target."""
    longest = max(map(len, contexts))
    ids = torch.full((len(contexts), longest), BOS_ID)
    targets = torch.full((len(contexts), longest), _IGNORED)
    for row, context in enumerate(contexts):
        ids[row, : len(context)] = targets[row, : len(context)] = torch.from_numpy(context)
    return ids, targets


def _curve(losses: list[float]) -> list[float]:
    """Mean losses of equal stretches of the training, in order."""
    stretches = np.array_split(np.asarray(losses), min(_CURVE_POINTS, len(losses)))
    return [round(float(stretch.mean()), 3) for stretch in stretches]


if __name__ == "__main__":
    main()
