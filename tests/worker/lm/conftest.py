"""Small models of three architectures, each in a Hugging Face folder of its own with a tokenizer trained here."""

import json
import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

SHARED_DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
BUNDLED_MODEL = Path(__file__).resolve().parents[3] / "assets" / "model"
TEXTS = (
    "def area(width, height):\n    return width * height\n",
    "The quick brown fox jumps over the lazy dog, and the dog did not mind at all.",
    "Naïve café 東京 🙂 — five tokens or more?",
) * 4
END, BOS = "<|endoftext|>", "<s>"


def needed(path: Path) -> Path:
    """The path, or a skip that says what is missing; in CI that is a failure."""
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing, and CI skips nothing.")
        pytest.skip(f"{path} is not here.")
    return path


def byte_level_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def sentencepiece_tokenizer() -> Tokenizer:
    """Llama's kind: spaces as '▁', bytes that have no piece spelled out as <0x..>, BOS put first."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    special = ["<unk>", BOS, "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=[*special, *byte_pieces], show_progress=False)
    tokenizer.train_from_iterator(["The quick brown fox jumps over the lazy dog. " * 3], trainer)
    tokenizer = _with_plain_byte_pieces(tokenizer, special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, 1)]
    )
    return tokenizer


def _with_plain_byte_pieces(tokenizer: Tokenizer, special: list[str]) -> Tokenizer:
    """As Llama stores them: byte pieces are of the vocabulary, not added tokens."""
    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] in special]
    return Tokenizer.from_str(json.dumps(described))


def gpt2_model(d_vocab: int) -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=d_vocab, n_embd=32, n_layer=3, n_head=4, n_positions=64))


def llama_model(d_vocab: int) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=d_vocab,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=64,
            tie_word_embeddings=False,
        )
    )


def neox_model(d_vocab: int) -> PreTrainedModel:
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=d_vocab,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=64,
            hidden_act="relu",
            max_position_embeddings=64,
            use_parallel_residual=False,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        )
    )


MAKERS = {
    "gpt2": (gpt2_model, byte_level_tokenizer, {"bos_token": END, "eos_token": END}),
    "llama": (llama_model, sentencepiece_tokenizer, {"bos_token": BOS, "eos_token": "</s>", "unk_token": "<unk>"}),
    "neox": (neox_model, byte_level_tokenizer, {"bos_token": END, "eos_token": END, "pad_token": END}),
}


def write_model(architecture: str, folder: Path) -> Path:
    """Weights far from their initial values, so that biases and norms matter; saved in two shards."""
    make_model, make_tokenizer, special = MAKERS[architecture]
    tokenizer = make_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make_model(tokenizer.get_vocab_size() + 3)
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder, max_shard_size="60KB")
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model folder for each architecture; not to be changed by tests."""
    return {name: write_model(name, tmp_path_factory.mktemp("models") / f"small-{name}") for name in MAKERS}
