"""featurescope doctor: check this machine, the database and the files."""

import argparse
import platform
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from catalog.engine import make_engine, session_scope
from catalog.records import DictionaryRecord, ModelRecord
from catalog.revision import check_revision, database_revision
from worker.cli.finding import Finding, tried
from worker.cli.options import positive, verb_parser
from worker.cli.output import Output
from worker.cli.stored_numbers import look_at_stored
from worker.errors import WorkerError
from worker.jobs import durable
from worker.jobs.dictionaries import load_dictionary
from worker.jobs.errors import JobError
from worker.jobs.ledger import Ledger
from worker.jobs.self_test import self_test
from worker.jobs.settings import WorkerSettings, worker_settings
from worker.jobs.sources import locate
from worker.jobs.store import Store, StoreError, open_store
from worker.lm.files import find_model
from worker.lm.placement import choose_device
from worker.lm.weights import hash_weights

SAYS = """Check what Featurescope stands on: Python, torch, the device and how fast it is in each dtype, the
database and its revision, the queue of jobs, the clock, disk space, the store, workers, and whether the files of every
model and dictionary are still those that were added. At last a small harvest of the bundled model, in a folder that
goes away, whose numbers are checked against the whole matrix of activations.

With --dictionary, only this: stored contexts of some features of that dictionary, drawn by chance, are run again as
live inference runs them, and every activation is held against the one stored. It passes where they are apart by no more
than 0.001 of the feature's maximum in float32, 0.02 in bfloat16, plus the step of the storage (1/65535), and where
whatever fires on one side only is that near its threshold or its k-th value.

The exit code is 1 where something is wrong; the line says what to do."""

CLOCK_SECONDS = 5.0
LEAST_FREE_BYTES = 2_000_000_000
PRODUCT_FLOP = 2 * 512 * 512 * 1024


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    parser = verb_parser("doctor", SAYS)
    parser.add_argument("--no-hashes", action="store_true", help="leave out the hashes of models and dictionaries")
    parser.add_argument(
        "--self-test",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="harvest a few thousand tokens with the bundled model and check every number (default: yes)",
    )
    parser.add_argument(
        "--dictionary", metavar="NAME", help="run stored contexts of this dictionary again, and compare"
    )
    parser.add_argument("--harvest", metavar="ID", help="of that dictionary (default: the newest complete one)")
    parser.add_argument("--features", type=positive, default=20, metavar="N", help="features drawn (default 20)")
    parser.add_argument("--contexts", type=positive, default=8, metavar="N", help="contexts drawn of each (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    options = parser.parse_args(argv)
    settings = worker_settings()
    if options.dictionary is not None:
        findings, sample = look_at_stored(settings, options)
        return _told(findings, Output(as_json=options.json), **sample)
    findings = [*look_at_machine(settings), *look_at_catalog(settings, with_hashes=not options.no_hashes)]
    if options.self_test:
        findings.append(tried("self-test", lambda: self_test(settings)))
    return _told(findings, Output(as_json=options.json))


def _told(findings: Sequence[Finding], output: Output, **more: object) -> int:
    """The exit code, when everything has been said."""
    marks = {True: "ok  ", False: "BAD ", None: "    "}
    for finding in findings:
        output.say(f"{marks[finding.ok]}{finding.subject}: {finding.text}")
    healthy = all(finding.ok is not False for finding in findings)
    output.result({"healthy": healthy, "findings": [asdict(finding) for finding in findings], **more})
    return 0 if healthy else 1


def look_at_machine(settings: WorkerSettings) -> list[Finding]:
    """Python, torch, the device, the disk and the store."""
    version = platform.python_version()
    findings = [
        Finding("python", sys.version_info >= (3, 11), f"{version} at {sys.executable}"),
        Finding("torch", None, f"{torch.__version__}, {torch.get_num_threads()} threads"),
        tried("device", lambda: _device(settings)),
        _free_space(settings.home),
    ]
    return findings if settings.store is None else [*findings, tried("store", lambda: look_at_store(settings))]


def look_at_catalog(settings: WorkerSettings, *, with_hashes: bool) -> list[Finding]:
    """The database, the queue, the workers, and the files behind the rows."""
    engine = make_engine(settings.catalog.database_url)
    revision = tried("database", lambda: (check_revision(engine), f"revision {database_revision(engine)}")[1])
    if not revision.ok:
        return [revision]
    findings = [revision, tried("jobs", lambda: look_at_queue(settings)), _clock(settings, engine)]
    with Ledger(engine).reading() as reader:
        workers, models, dictionaries = reader.workers(), reader.models(), reader.dictionaries()
    up = sum(worker.alive for worker in workers)
    told = f"{up} up" if up else "none is up; jobs wait. Start one with: featurescope worker"
    findings.append(Finding("workers", None, told))
    if with_hashes:
        store = open_store(settings.store, settings.home)
        findings += [tried(f"model {record.slug}", lambda record=record: _model(record)) for record in models]
        findings += [
            tried(f"dictionary {record.slug}", lambda record=record: _dictionary(record, store))
            for record in dictionaries
        ]
    return findings


def look_at_queue(settings: WorkerSettings) -> str:
    """Whether the tables of the queue are there. Raises JobError where they are not."""
    try:
        with durable.client(settings) as door:
            door.list_workflows(limit=1, load_input=False, load_output=False)
    except SQLAlchemyError as error:
        raise JobError("the tables of the queue of jobs are not there or cannot be read. Run: make migrate.") from error
    return "the queue of jobs answers"


def look_at_store(settings: WorkerSettings) -> str:
    """Write, find and remove a small file in the store. Raises StoreError or OSError where that fails."""
    store = open_store(settings.store, settings.home)
    place = f"doctor-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / place
        source.write_bytes(b"featurescope")
        store.put(place, source)
        try:
            if store.size(place) != len(b"featurescope"):
                raise StoreError(f"what is put into the store {store.name} does not come back whole; check its disk.")
        finally:
            store.remove(place)
    return f"{store.name} can be written, read and removed from"


def _clock(settings: WorkerSettings, engine: Engine) -> Finding:
    """How far this machine's clock is from the database's; workers are judged by their own, people by both."""
    if settings.on_sqlite:
        return Finding(
            "clock", None, f"{datetime.now(UTC).isoformat(timespec='seconds')}, the catalog is on this machine"
        )
    with session_scope(engine) as session:
        there = session.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
    apart = abs(time.time() - float(there or 0.0))
    told = f"{apart:.1f} s from the database's"
    if apart > CLOCK_SECONDS:
        return Finding("clock", False, f"{told}; let both machines ask a time server (chrony, systemd-timesyncd)")
    return Finding("clock", True, told)


def _device(settings: WorkerSettings) -> str:
    device = choose_device(settings.device)
    speeds = [
        f"{name} {PRODUCT_FLOP / _product_seconds(dtype, device) / 1e9:.0f} GFLOP/s"
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    ]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{device} ({name}), {', '.join(speeds)}"


def _product_seconds(dtype: torch.dtype, device: torch.device) -> float:
    left = torch.ones(512, 512, dtype=dtype, device=device)
    right = torch.ones(512, 1024, dtype=dtype, device=device)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        (left @ right)[0, 0].item()
        times.append(time.perf_counter() - began)
    return min(times)


def _free_space(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB free at {home}"
    return Finding("disk", free >= LEAST_FREE_BYTES, text if free >= LEAST_FREE_BYTES else f"only {text}; free some")


def _model(record: ModelRecord) -> str:
    found = hash_weights(find_model(locate(record.source)).weights)
    if found != record.weights_hash:
        raise WorkerError(f"the weights at {record.source!r} have changed since they were added; put them back.")
    return f"weights {found[:12]} as added"


def _dictionary(record: DictionaryRecord, store: Store) -> str:
    return f"{load_dictionary(record, store).hash[:12]} as added"
