"""A harvest of many shards while workers, app and database are killed at random moments, and pages are asked for.

`disturb` runs one such harvest and says what happened; whoever calls it compares the digest with that of a harvest
that nobody disturbed.
"""

import random
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

from catalog.digest import CatalogDigest, catalog_digest
from catalog.engine import make_engine, session_scope
from catalog.errors import CatalogError
from catalog.revision import migrate
from catalog.settings import CatalogSettings
from tests.tiny import D_MODEL, HOOK, MODEL_NAME, N_CTX, write_corpus, write_model
from tests.worker.jobs.stage import Stage, stage
from tests.worker.jobs.test_harvest_steps import run
from worker.jobs.context import JobContext
from worker.jobs.ledger import ENDED, Ledger
from worker.jobs.models import ModelCache
from worker.jobs.register import add_dictionary, add_model
from worker.jobs.requests import HarvestRequest, to_json
from worker.jobs.settings import WorkerSettings
from worker.jobs.submit import submit
from worker.sae import formats
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

SLUG = "killed"
PATHS = ("/", f"/d/{SLUG}", f"/d/{SLUG}/3", f"/api/v1/dictionaries/{SLUG}/features", "/jobs", "/healthz")
NOT_YET = ("has not written it yet", "Not harvested yet", "There is no harvest of dictionary")
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Play:
    """What is harvested: folders of a model, a dictionary and a corpus, the same for all harvests to be compared."""

    model: Path
    dictionary: Path
    corpus: Path
    shard_tokens: int


def write_play(folder: Path, *, documents: int, d_sae: int, shard_tokens: int) -> Play:
    """The tiny model with a wider dictionary and a longer corpus than usual, so that there is time to be killed in."""
    write_model(folder / "model")
    formats.save(_dictionary(d_sae), folder / "dictionary")
    write_corpus(folder / "corpus", documents=documents)
    return Play(folder / "model", folder / "dictionary", folder / "corpus", shard_tokens)


def _dictionary(d_sae: int) -> Dictionary:
    generator = torch.Generator().manual_seed(4)
    W_dec = torch.randn(d_sae, D_MODEL, generator=generator)
    W_dec = W_dec / W_dec.norm(dim=1, keepdim=True)
    return Dictionary(
        kind="relu",
        d_in=D_MODEL,
        d_sae=d_sae,
        W_enc=W_dec.T.clone(),
        b_enc=torch.full((d_sae,), -0.8),
        W_dec=W_dec,
        b_dec=torch.zeros(D_MODEL),
        hook_name=HOOK,
        model_name=MODEL_NAME,
        conventions=Conventions(prepend_bos=True, n_ctx=N_CTX),
        decoder_norms=torch.ones(d_sae),
    )


@dataclass(slots=True)
class Account:
    """What happened. kills: who was killed how often; answers: statuses of pages; faults: what must never happen."""

    kills: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    digest: CatalogDigest | None = None


def undisturbed(play: Play, folder: Path) -> CatalogDigest:
    """The digest of a harvest that nobody disturbs: of this process alone, on SQLite."""
    catalog = CatalogSettings(home=folder, database_url=f"sqlite:///{folder / 'catalog.sqlite'}")
    settings = WorkerSettings(catalog=catalog, device="cpu", dtype="float32")
    engine = make_engine(catalog.database_url)
    migrate(engine)
    context = JobContext(settings, Ledger(engine), ModelCache(device="cpu", dtype="float32"))
    _register(context.ledger, play)
    run(context, _request(play))
    engine.dispose()
    return _digest(settings)


def disturb(play: Play, kind: str, folder: Path, *, seed: int, kills: int, seconds: float = 900) -> Account:
    """One harvest with so many kills at most; it must end within `seconds` of the last one."""
    chance, account = random.Random(seed), Account()
    began = time.monotonic()
    with stage(kind, folder, port=free_port(), previews="always") as found:
        job_id = _ask(found, play)
        for verb in (found.app, *found.workers):
            verb.start()
        reader = PageReader(found, account)
        reader.start()
        for _ in range(kills):
            if not _kill_somebody(found, job_id, chance, account):
                break
        _wait_for_end(found, job_id, seconds=seconds)
        reader.stop()
        account.digest = _digest(found.settings)
        _look_for_faults(found, account)
    account.seconds = time.monotonic() - began
    return account


def _kill_somebody(found: Stage, job_id: str, chance: random.Random, account: Account) -> bool:
    """After a while at the earliest when somebody works; False where the job is over already."""
    if not _wait_for_somebody(found, job_id):
        return False
    time.sleep(chance.random() * LONGEST_PAUSE_SECONDS)
    name = chance.choice(sorted(found.cast))
    victim = found.cast[name]
    account.kills[name] += 1
    victim.kill()
    time.sleep(chance.random())
    victim.start()
    return True


def _wait_for_somebody(found: Stage, job_id: str) -> bool:
    """Until the database answers and a worker that lives has been heard of; False where the job is over."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        status, alive = _look(found, job_id)
        if status in ENDED:
            return False
        pids = {worker.process.pid for worker in found.workers if worker.process is not None}
        if status is not None and pids & alive:
            return True
        time.sleep(0.05)
    raise AssertionError("no worker comes up: " + " ".join(worker.said[-2000:] for worker in found.workers))


def _look(found: Stage, job_id: str) -> tuple[str | None, set[int]]:
    """The status of the job and the process ids of the workers heard of; None and nobody where nothing answers."""
    engine = make_engine(found.settings.catalog.database_url)
    try:
        with Ledger(engine).reading() as reader:
            return reader.job(job_id).status, {worker.pid for worker in reader.workers(alive_within_s=5)}
    except CatalogError:
        return None, set()
    finally:
        engine.dispose()


def _wait_for_end(found: Stage, job_id: str, *, seconds: float) -> None:
    deadline, status = time.monotonic() + seconds, None
    while status not in ENDED and time.monotonic() < deadline:
        time.sleep(0.1)
        status, _ = _look(found, job_id)
    if status != "complete":
        logs = "\n".join(worker.said[-3000:] for worker in found.workers)
        raise AssertionError(f"the harvest does not end well, it is {status}\n{logs}")


def _ask(found: Stage, play: Play) -> str:
    engine = make_engine(found.settings.catalog.database_url)
    ledger = Ledger(engine)
    _register(ledger, play)
    job_id = submit(found.settings, ledger, "harvest", to_json(_request(play)), title="killed")
    engine.dispose()
    return job_id


def _register(ledger: Ledger, play: Play) -> None:
    model = ModelCache(device="cpu", dtype="float32").get(str(play.model))
    slug = add_model(ledger, model, name="tiny").slug
    dictionary = formats.load(play.dictionary)
    add_dictionary(ledger, model, dictionary, source=str(play.dictionary), model_slug=slug, name=SLUG)


def _request(play: Play) -> HarvestRequest:
    return HarvestRequest((SLUG,), str(play.corpus), shard_tokens=play.shard_tokens)


def _digest(settings: WorkerSettings) -> CatalogDigest:
    engine = make_engine(settings.catalog.database_url)
    with session_scope(engine) as session:
        digest = catalog_digest(session)
    engine.dispose()
    return digest


def _look_for_faults(found: Stage, account: Account) -> None:
    """What people must not have seen in the log of the app."""
    if "Traceback" in found.app.said:
        account.faults.append(found.app.said[found.app.said.index("Traceback") :][:3000])


class PageReader(threading.Thread):
    """Asks for one page after the other, as long as it lasts. No answer is no fault: the app may just be dead."""

    def __init__(self, found: Stage, account: Account) -> None:
        super().__init__(daemon=True)
        self._url, self._account = found.url, account
        self._stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._stopping.wait(0.05):
            self._read(PATHS[number % len(PATHS)])
            number += 1

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=60)

    def _read(self, path: str) -> None:
        try:
            with urllib.request.urlopen(self._url + path, timeout=60) as answer:
                status, body = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read().decode(errors="replace")
        except OSError:
            return
        self._account.answers[status] += 1
        not_yet = status == 404 and any(words in body for words in NOT_YET)
        if (status not in (200, 503) and not not_yet) or "Traceback" in body:
            words = " ".join(re.sub(r"<[^>]*>", " ", body).split())
            self._account.faults.append(f"{path} answered {status}: {words[-800:]}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
