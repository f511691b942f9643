"""Our side of the comparison against dense activations, on a world small enough to hold them."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Model

from benchmarks.harvest_world import Size
from benchmarks.peers import ours
from benchmarks.peers.agreement import Tolerance, compare
from benchmarks.peers.job import Job, read_figures, read_tokens
from benchmarks.peers.top_lists import FoundContext, TopLists
from benchmarks.peers.world import Compared, make_job

SIZE = Size(d_model=64, d_sae=48, tokens=1_000, l0=6, dtype="float32", n_ctx=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    make_job(SIZE, Compared(features=48, n_top=5), folder)
    return folder


def dense_lists(folder, job: Job) -> TopLists:
    """Every activation at once, by plain modules and one product."""
    rows, weights = read_tokens(folder), load_file(folder / "sae" / "sae_weights.safetensors")
    model = GPT2Model.from_pretrained(folder / "model").eval()
    with torch.no_grad():
        resid = model(torch.from_numpy(rows), output_hidden_states=True).hidden_states[job.layer + 1]
        acts = torch.relu(resid @ weights["W_enc"] + weights["b_enc"])
    acts[:, 0] = 0
    found = [
        (feature, [FoundContext(number, row.numpy()) for number, row in enumerate(acts[:, :, feature])])
        for feature in range(job.features)
    ]
    complete = [(acts[:, :, feature] > 0).any(1).sum() <= job.n_top for feature in range(job.features)]
    return TopLists.of(found, complete, n_top=job.n_top, n_ctx=job.n_ctx)


def test_contexts_are_distinct_full_and_a_multiple_of_a_batch(folder):
    job, rows = Job.read(folder), read_tokens(folder)
    assert rows.shape == (job.n_contexts, 16)
    assert job.n_contexts % 32 == 0
    assert job.text_tokens == job.n_contexts * 15 >= SIZE.tokens
    assert (rows[:, 0] == job.bos_id).all()
    assert (rows[:, 1:] != job.bos_id).all()
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_the_catalogs_top_contexts_are_those_of_the_dense_activations(folder, tmp_path):
    threads = torch.get_num_threads()
    try:
        assert ours.main([str(folder), str(tmp_path)]) == 0
    finally:
        torch.set_num_threads(threads)
    figures, job = read_figures(tmp_path / "figures.json"), Job.read(folder)
    assert figures["seconds"] > 0 and figures["cpu_seconds"] > 0
    found = compare(TopLists.read(tmp_path / "tops.npz"), dense_lists(folder, job), Tolerance(relative=1e-3))
    assert found.same, found.differences
    assert found.features == 48
    assert found.silent < 48 and found.contexts > 48
