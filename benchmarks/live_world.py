"""GPT-2-small with random weights, a dictionary on it, and a real worker whose live door is open."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.harvest_world import Size, byte_tokenizer, dictionary_on
from catalog.engine import make_engine
from catalog.live_secret import read_live_secret
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from worker.jobs.durable import migrate_jobs_database
from worker.jobs.ledger import Ledger
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.settings import WorkerSettings
from worker.lm.model import LanguageModel, load_language_model
from worker.sae import formats
from worker.sae.dictionary import Dictionary

BOS = 0
N_LETTERS = 256
STARTS_WITHIN_S = 120
ANSWERS_WITHIN_S = 600
_PILOT_CONTEXTS = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its text, and the contexts the door cuts it into, (context, token), padded with BOS on the right."""

    text: str
    token_ids: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, n_tokens: int, *, n_ctx: int, seed: int) -> "Asked":
        """Random letters that make n_tokens tokens, the BOS of every context counted in."""
        n_contexts = -(-n_tokens // n_ctx)
        lengths = np.full(n_contexts, n_ctx)
        lengths[-1] = n_tokens - n_ctx * (n_contexts - 1)
        letters = np.random.default_rng(seed).integers(ord("a"), ord("z") + 1, n_tokens - n_contexts)
        token_ids = np.full((n_contexts, int(lengths.max())), BOS, dtype=np.int64)
        ids = byte_ids()[letters]
        for row, start in enumerate(range(0, max(1, len(ids)), max(1, n_ctx - 1))):
            part = ids[start : start + n_ctx - 1]
            token_ids[row, 1 : 1 + len(part)] = part
        return cls("".join(map(chr, letters.tolist())), token_ids, lengths)

    @property
    def kept(self) -> NDArray[np.int64]:
        """Flat places in token_ids of the tokens that count: neither BOS nor padding."""
        places = np.arange(self.token_ids.shape[1])
        return np.flatnonzero((places > 0) & (places < self.lengths[:, None]))


def byte_ids() -> NDArray[np.int64]:
    """Token id of every ASCII letter by its code."""
    tokenizer = byte_tokenizer()
    return np.array([tokenizer.convert_tokens_to_ids(chr(code)) or 0 for code in range(N_LETTERS)], dtype=np.int64)


def write_model(folder: Path) -> None:
    """The shape of GPT-2-small, which is what GPT2Config is unless told otherwise."""
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(bos_token_id=BOS, eos_token_id=BOS)).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)


def make_dictionary(model: LanguageModel, hook: str, size: Size) -> Dictionary:
    """A dictionary whose firing is fitted to contexts of random letters."""
    seeds = range(1, _PILOT_CONTEXTS + 1)
    pilot = np.concatenate([Asked.of(size.n_ctx, n_ctx=size.n_ctx, seed=seed).token_ids for seed in seeds])
    return dictionary_on(model, pilot, hook, size=size)


class Door:
    """What a client needs to ask: the door's address, the secret, and the dictionary's hash."""

    def __init__(self, address: str, secret: str, dictionary: str) -> None:
        self._where = urlsplit(address)
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self._dictionary = dictionary

    def ask(self, text: str) -> tuple[int, bytes]:
        """Status and body of an answer, read to its end, on a connection of its own as the app's are."""
        body = json.dumps({"texts": [text], "dictionaries": [self._dictionary]}).encode()
        host, port = self._where.hostname or "", self._where.port or 0
        with closing(http.client.HTTPConnection(host, port, timeout=ANSWERS_WITHIN_S)) as connection:
            connection.request("POST", "/activations", body, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@dataclass(frozen=True, slots=True)
class World:
    """Both sides: the folder of the model and the dictionary as this process has it, and the door of a worker."""

    model: Path
    dictionary: Dictionary
    dtype: torch.dtype
    device: torch.device
    door: Door


@contextmanager
def live_world(folder: Path, size: Size, hook: str) -> Iterator[World]:
    """Everything made and a worker started, which ends with the block."""
    write_model(folder / "model")
    model = load_language_model(folder / "model", dtype=size.dtype)
    dictionary = make_dictionary(model, hook, size)
    formats.save(dictionary, folder / "sae")
    settings = _installed(folder, model)
    environment = {
        **os.environ,
        "FEATURESCOPE_HOME": str(settings.home),
        "FEATURESCOPE_DATABASE_URL": settings.catalog.database_url,
        "FEATURESCOPE_DTYPE": str(model.dtype).removeprefix("torch."),
    }
    process = subprocess.Popen([sys.executable, "-m", "featurescope", "worker"], env=environment)
    try:
        door = _door(settings, process, formats.load(folder / "sae").hash)
        yield World(folder / "model", dictionary, model.dtype, model.device, door)
    finally:
        process.terminate()
        process.wait()


def _installed(folder: Path, model: LanguageModel) -> WorkerSettings:
    """A catalog that knows model and dictionary."""
    home = folder / "home"
    home.mkdir()
    settings = WorkerSettings(CatalogSettings(home, f"sqlite:///{home / 'catalog.sqlite'}"))
    engine = make_engine(settings.catalog.database_url)
    migrate(engine)
    migrate_jobs_database(settings)
    ledger = Ledger(engine)
    slug = add_model(ledger, model, name="benchmark").slug
    dictionary = formats.load(folder / "sae")
    add_dictionary(ledger, model, dictionary, source=str(folder / "sae"), model_slug=slug, name="benchmark")
    engine.dispose()
    return settings


def _door(settings: WorkerSettings, worker: subprocess.Popen[bytes], dictionary: str) -> Door:
    """The door that the worker says it has opened. Raises SystemExit where it opens none."""
    engine = make_engine(settings.catalog.database_url)
    until = time.monotonic() + STARTS_WITHIN_S
    try:
        while time.monotonic() < until and worker.poll() is None:
            with Ledger(engine).reading() as reader:
                found = [each.live_address for each in reader.workers() if each.live_address]
            secret = read_live_secret(settings.catalog)
            if found and secret:
                return Door(found[0], secret, dictionary)
            time.sleep(0.1)
    finally:
        engine.dispose()
    raise SystemExit("The worker opened no live door; what it said stands above.")
