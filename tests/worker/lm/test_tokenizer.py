"""Tokenizers: ids without surprises, rules written down, and the bytes behind every id."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.worker.lm.conftest import END, SHARED_DATA, needed
from worker.lm.errors import TokenizerError
from worker.lm.tokenizer import Tokenizer, load_tokenizer

HOSTILE = "Ignore <|endoftext|> and <s> </s> <unk> \x00\x1b[31m 東京 🙂\n\ttabs  and   runs"
TEMPLATE = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}" + END + "{% endfor %}"


@pytest.fixture(scope="module")
def tokenizers(folders: dict[str, Path]) -> dict[str, Tokenizer]:
    return {name: load_tokenizer(folder) for name, folder in folders.items()}


def with_chat_template(folder: Path, target: Path) -> Tokenizer:
    shutil.copytree(folder, target)
    config = json.loads((target / "tokenizer_config.json").read_text())
    (target / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    return load_tokenizer(target)


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox"])
def test_the_bytes_of_a_texts_tokens_are_the_text(name, tokenizers):
    tokenizer = tokenizers[name]
    table = tokenizer.token_bytes()
    (token_ids,) = tokenizer.encode([HOSTILE])
    joined = b"".join(table[token_id] for token_id in token_ids)
    # SentencePiece puts a space before a text.
    assert joined.removeprefix(b" " if name == "llama" else b"") == HOSTILE.encode()


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox"])
def test_special_tokens_spelled_out_in_a_text_stay_text(name, tokenizers):
    (token_ids,) = tokenizers[name].encode([HOSTILE])
    assert not tokenizers[name].special_ids & set(token_ids.tolist())


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_special_tokens_stand_for_their_name(name, tokenizers):
    tokenizer = tokenizers[name]
    table = tokenizer.token_bytes()
    assert table[tokenizer.bos_id].decode() == tokenizer.rules["bos_token"]
    assert tokenizer.bos_id in tokenizer.special_ids


def test_ids_beyond_the_tokenizer_stand_for_nothing(tokenizers):
    tokenizer = tokenizers["gpt2"]
    table = tokenizer.token_bytes(tokenizer.d_vocab + 3)
    assert len(table) == tokenizer.d_vocab + 3 and table[-3:] == [b"", b"", b""]


def test_every_single_byte_has_a_piece(tokenizers):
    for name in ("gpt2", "llama"):
        assert {bytes([byte]) for byte in range(256)} - {b" "} <= set(tokenizers[name].token_bytes())


def test_the_bos_rule_is_the_tokenizers_own(tokenizers):
    assert tokenizers["llama"].prepend_bos and tokenizers["llama"].rules["bos_id"] == 1
    assert not tokenizers["gpt2"].prepend_bos and tokenizers["gpt2"].bos_id == 0


def test_padding_falls_back_on_the_end_token(tokenizers):
    assert tokenizers["gpt2"].pad_id == tokenizers["gpt2"].eos_id
    assert json.loads(json.dumps(tokenizers["gpt2"].rules))["padding_side"] == "right"


def test_the_hash_is_of_the_content_and_not_of_the_place(folders, tokenizers, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(folders["llama"], copy)
    assert load_tokenizer(copy).hash == tokenizers["llama"].hash != tokenizers["gpt2"].hash
    changed = json.loads((copy / "tokenizer.json").read_text())
    vocabulary = changed["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (copy / "tokenizer.json").write_text(json.dumps(changed))
    assert load_tokenizer(copy).hash != tokenizers["llama"].hash


def test_an_empty_text_has_no_tokens(tokenizers):
    assert [len(token_ids) for token_ids in tokenizers["gpt2"].encode(["", "a", ""])] == [0, 1, 0]


def test_half_a_surrogate_pair_is_refused(tokenizers):
    with pytest.raises(TokenizerError, match="surrogate"):
        tokenizers["gpt2"].encode(["\ud83d"])


def test_a_folder_without_tokenizer_is_named(folders, tmp_path):
    copy = tmp_path / "mute"
    shutil.copytree(folders["gpt2"], copy)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match=r"mute has no tokenizer"):
        load_tokenizer(copy)


def test_a_conversation_is_written_by_the_template(folders, tmp_path):
    tokenizer = with_chat_template(folders["gpt2"], tmp_path / "chatty")
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "fox"}]
    assert tokenizer.apply_chat_template(messages) == f"<|user|>hello{END}<|assistant|>fox{END}"
    token_ids = tokenizer.encode_chat(messages)
    assert np.count_nonzero(token_ids == 0) == 2
    assert b"".join(tokenizer.token_bytes()[token_id] for token_id in token_ids) == (
        f"<|user|>hello{END}<|assistant|>fox{END}".encode()
    )


def test_a_special_token_within_a_message_stays_text(folders, tmp_path):
    tokenizer = with_chat_template(folders["gpt2"], tmp_path / "chatty")
    token_ids = tokenizer.encode_chat([{"role": "user", "content": f"say {END} now"}])
    assert np.count_nonzero(token_ids == 0) == 1
    text = b"".join(tokenizer.token_bytes()[token_id] for token_id in token_ids)
    assert text == f"<|user|>say {END} now{END}".encode()


def test_without_a_chat_template_conversations_are_refused(tokenizers):
    with pytest.raises(TokenizerError, match="no chat template"):
        tokenizers["gpt2"].encode_chat([{"role": "user", "content": "hello"}])


def test_a_real_sentencepiece_model_joins_to_its_text():
    tokenizer = load_tokenizer(needed(SHARED_DATA / "stories260K"))
    text = "Once upon a time, Zoë saw 3 🦊s.\nThe end"
    (token_ids,) = tokenizer.encode([text])
    assert b"".join(tokenizer.token_bytes()[token_id] for token_id in token_ids) == b" " + text.encode()
    assert tokenizer.prepend_bos and tokenizer.bos_id == 1 and tokenizer.special_ids == {0, 1, 2}
