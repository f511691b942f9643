"""The store that workers share, as a folder and on a real S3-compatible server."""

from dataclasses import replace
from pathlib import Path

import pytest

from catalog.records import DictionaryRecord
from catalog.settings import CatalogSettings
from tests.tiny import HOOK, TinyWorld
from tests.worker.jobs.compare import everything_of
from tests.worker.jobs.object_store import s3_server, s3_url  # noqa: F401 (fixtures)
from tests.worker.jobs.test_harvest_steps import JOB, request, run
from worker.jobs.bases import BasisRequest, add_basis
from worker.jobs.context import JobContext
from worker.jobs.dictionaries import load_dictionary
from worker.jobs.errors import JobError
from worker.jobs.harvest_finish import finish
from worker.jobs.harvest_prepare import prepare
from worker.jobs.harvest_shard import run_shard
from worker.jobs.models import ModelCache
from worker.jobs.progress import Progress
from worker.jobs.store import MissingInStore, Store, StoreError, open_store


@pytest.fixture(params=["folder", "file url", "s3"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return request.getfixturevalue("s3_url")
    folder = str(tmp_path / "shared")
    return folder if request.param == "folder" else f"file://{folder}"


@pytest.fixture
def here(store_url: str, tmp_path: Path) -> Store:
    return open_store(store_url, tmp_path / "home-a")


@pytest.fixture
def there(store_url: str, tmp_path: Path) -> Store:
    return open_store(store_url, tmp_path / "home-b")


def made(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_what_one_machine_puts_another_takes(here: Store, there: Store, tmp_path: Path):
    assert not there.has("harvests/k/shard-00000.npz")
    here.put("harvests/k/shard-00000.npz", made(tmp_path, shard="partial") / "shard")
    assert there.has("harvests/k/shard-00000.npz")
    assert there.take("harvests/k/shard-00000.npz").read_text() == "partial"


def test_a_folder_is_put_whole_and_taken_whole(here: Store, there: Store, tmp_path: Path):
    here.put("corpora/k", made(tmp_path / "made", tokens="12", meta="yes", **{"inner/names": "n"}), last="meta")
    assert there.has("corpora/k/meta")
    taken = there.take("corpora/k")
    assert {file.relative_to(taken).as_posix(): file.read_text() for file in taken.rglob("*") if file.is_file()} == {
        "tokens": "12",
        "meta": "yes",
        "inner/names": "n",
    }
    assert there.take("corpora/k") == taken


def test_what_is_removed_is_gone_for_all(here: Store, there: Store, tmp_path: Path):
    here.put("harvests/k", made(tmp_path / "made", a="1", b="2"))
    there.take("harvests/k")
    there.remove("harvests/k")
    there.remove("harvests/k")
    assert not here.has("harvests/k/a")
    with pytest.raises(MissingInStore, match="no 'harvests/k' in the store"):
        open_store(None, tmp_path / "another").take("harvests/k")


def test_putting_twice_leaves_the_last_file(here: Store, there: Store, tmp_path: Path):
    for text in ("first", "second"):
        here.put("harvests/k/shard", made(tmp_path, shard=text) / "shard")
        here.done_with("somewhere/else")
    assert there.take("harvests/k/shard").read_text() == "second"


def test_a_store_that_no_other_process_sees_or_that_is_unknown_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="which no other process sees"):
        open_store("memory://shards", tmp_path)
    with pytest.raises(StoreError, match="'nonsense://x', which cannot be opened"):
        open_store("nonsense://x", tmp_path)


def test_a_store_that_is_away_says_so_and_names_itself(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # noqa: F811
    bucket = s3_url.removeprefix("s3://").partition("/")[0]
    store = open_store(f"s3://{bucket}-which-is-not-there/x", tmp_path)
    with pytest.raises(StoreError, match=r"The store 's3://.*' could not write 'a'"):
        store.put("a", made(tmp_path, a="1") / "a")


def on_machine(context: JobContext, name: str, store: str | None) -> JobContext:
    """The same catalog as another machine sees it: a home and a model cache of its own."""
    catalog = CatalogSettings(home=context.home.parent / name, database_url=context.settings.catalog.database_url)
    settings = replace(context.settings, catalog=catalog, store=store)
    return JobContext(settings, context.ledger, ModelCache(device="cpu", dtype="float32"))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_machines_that_share_only_database_and_store_make_one_harvest(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, store_url: str
):
    alone = run(context, request(tiny_world), "harvest-alone")
    first, second, third = (on_machine(context, name, store_url) for name in ("a", "b", "c"))
    context.ledger.queued(JOB, kind="harvest", title="test")
    prepared = prepare(first, JOB, request(tiny_world, again=True))
    assert prepared["shards"] > 2
    for shard in range(prepared["shards"]):
        run_shard((first, second)[shard % 2], JOB, prepared["harvest"], shard)
        run_shard(third, JOB, prepared["harvest"], shard)
    finish(third, JOB, prepared["harvest"])
    together = everything_of(context.ledger, "tiny-sae", prepared["harvest"])
    assert together == everything_of(context.ledger, "tiny-sae", alone)
    assert not first.store.has(f"harvests/{alone}/opened")
    leftovers = [path.name for machine in (first, second) for path in machine.home.rglob("shard-*")]
    assert leftovers == []


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_machine_with_another_store_refuses_the_shard_and_names_the_setting(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, tmp_path: Path
):
    context.ledger.queued(JOB, kind="harvest", title="test")
    prepared = prepare(on_machine(context, "a", str(tmp_path / "shared")), JOB, request(tiny_world))
    elsewhere = on_machine(context, "b", None)
    with pytest.raises(JobError, match="Give all workers of this catalog the same store: FEATURESCOPE_STORE"):
        run_shard(elsewhere, JOB, prepared["harvest"], 0)


def test_a_basis_made_on_one_machine_is_found_by_another(
    context: JobContext, sae: DictionaryRecord, tiny_world: TinyWorld, store_url: str
):
    first, second = (on_machine(context, name, store_url) for name in ("a", "b"))
    model = first.models.get(str(tiny_world.model))
    asked = BasisRequest(kind="neurons", model="tiny", hook_name=HOOK, corpus=str(tiny_world.corpus), n_ctx=16)

    def silent(_message: str, *, total: int, unit: str) -> Progress:
        return Progress(lambda _reading: None, total=total)

    record = add_basis(first.store, context.ledger, model, asked, stages=silent)
    moved = replace(record, source=record.source.replace("/home-a/", "/nowhere/").replace("/a/", "/nowhere/"))
    assert load_dictionary(moved, second.store).hash == record.hash
