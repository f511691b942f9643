"""The demo language model's shape, and how it is written to a Hugging Face folder."""

import shutil
from pathlib import Path

import torch
from transformers import GenerationConfig, GPTNeoXConfig, GPTNeoXForCausalLM

from worker.demo.tokenizer import BOS_ID, MAX_LENGTH, TOKENIZER_FOLDER, VOCABULARY

CONTEXT = 256
MODEL_FOLDER = Path("assets/model")


def new_model(seed: int) -> GPTNeoXForCausalLM:
    """An untrained model of five layers and width 256, its weights drawn from the seed."""
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=5,
        num_attention_heads=4,
        intermediate_size=512,
        hidden_act="relu",
        max_position_embeddings=MAX_LENGTH,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
        use_parallel_residual=False,
        tie_word_embeddings=False,
        bos_token_id=BOS_ID,
        eos_token_id=BOS_ID,
        pad_token_id=BOS_ID,
        use_cache=True,
    )
    return GPTNeoXForCausalLM(config)


def save_model(model: GPTNeoXForCausalLM, folder: Path) -> None:
    """Writes the model, rounded to bf16, with its tokenizer; replaces the folder whole.

    Files beside the weights, such as the card, are kept.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if folder.exists():
        shutil.copytree(folder, partial)
    shipped = GPTNeoXForCausalLM(model.config)
    shipped.bfloat16()
    shipped.load_state_dict(model.state_dict())
    shipped.generation_config = GenerationConfig(
        bos_token_id=BOS_ID, eos_token_id=BOS_ID, pad_token_id=BOS_ID, max_length=MAX_LENGTH
    )
    shipped.save_pretrained(partial)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER_FOLDER / name, partial / name)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
