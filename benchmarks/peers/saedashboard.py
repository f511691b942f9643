"""SAEDashboard's side: `python -m benchmarks.peers.saedashboard FOLDER OUT BATCHES PROMPTS SIZE...`.

SIZE: features a batch, one or more; the first BATCHES batches of each are made, one more of the first size, whose first
batch runs the model and saves its activations; all others read them back. PROMPTS: contexts a forward pass.
Runs in SAEDashboard's own environment, from the root of this repository, and loads nothing of this project that needs
more than numpy. Every feature batch goes the way of SAEDashboard's own runner for Neuronpedia: SaeVisRunner with that
runner's layout, defaults and cache of model activations on disk, then NeuronpediaConverter and one JSON file a batch.
That runner itself wants a model and a dataset by their names on the hub, so its two steps are called from here with the
same objects. A batch's clock starts with model, dictionary and tokens in memory and stops when its file is written.
"""

import gc
import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sae_dashboard.components_config import (  # pyright: ignore[reportMissingImports]
    ActsHistogramConfig,
    Column,
    FeatureTablesConfig,
    LogitsHistogramConfig,
    LogitsTableConfig,
    SequencesConfig,
)
from sae_dashboard.layout import SaeVisLayoutConfig  # pyright: ignore[reportMissingImports]
from sae_dashboard.neuronpedia.neuronpedia_converter import (  # pyright: ignore[reportMissingImports]
    NeuronpediaConverter,
)
from sae_dashboard.neuronpedia.neuronpedia_runner_config import (  # pyright: ignore[reportMissingImports]
    NeuronpediaRunnerConfig,
)
from sae_dashboard.sae_vis_data import SaeVisConfig, SaeVisData  # pyright: ignore[reportMissingImports]
from sae_dashboard.sae_vis_runner import SaeVisRunner  # pyright: ignore[reportMissingImports]
from sae_lens import SAE, HookedSAETransformer  # pyright: ignore[reportMissingImports]
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import (  # pyright: ignore[reportMissingImports]
    convert_gpt2_weights,
)
from transformers import GPT2LMHeadModel

from benchmarks.peers.job import (
    MODEL_FOLDER,
    SAE_FOLDER,
    Job,
    Stopwatch,
    own_peak_mb,
    read_tokens,
    write_figures,
)
from benchmarks.peers.top_lists import FoundContext, TopLists

PACKAGES = ("sae-dashboard", "sae-lens", "transformer-lens", "transformers", "torch", "numpy")


def main(argv: list[str]) -> int:
    """Make the dashboards of the first batches, and write figures.json and a tops-SIZE.npz for each size to OUT."""
    folder, out = Path(argv[0]), Path(argv[1])
    n_batches, prompts, *sizes = map(int, argv[2:])
    job = Job.read(folder)
    torch.set_num_threads(job.threads)
    side = _Side(job, folder, out, prompts=prompts)
    measured = [
        {"feature_batch": size, "batches": _run(side, job, size, n_batches=n_batches + (number == 0), out=out)}
        for number, size in enumerate(sizes)
    ]
    side.clear_cache()
    versions = {name: version(name) for name in PACKAGES}
    write_figures(out / "figures.json", {"sizes": measured, "peak_mb": own_peak_mb(), "versions": versions})
    return 0


def _run(side: "_Side", job: Job, size: int, *, n_batches: int, out: Path) -> list[dict[str, float]]:
    """The first batches of this size: their times, and their top contexts in a file."""
    times, found, complete = [], [], []
    for number, features in enumerate(torch.arange(job.d_sae).split(size)[:n_batches]):
        watch = Stopwatch()
        data = side.gather(features.tolist())
        gathered = watch.read()
        side.write(data, out / f"batch-{size}-{number}.json")
        times.append(watch.read() | {"gather_seconds": gathered["seconds"]})
        print(f"batch {number + 1} of {size} features: {json.dumps(times[-1])}", flush=True)
        for feature in features.tolist():
            contexts, whole = side.top_contexts(data, feature)
            found.append((feature, contexts))
            complete.append(whole)
        del data
        gc.collect()
    TopLists.of(found, complete, n_top=job.n_top, n_ctx=job.n_ctx).write(out / f"tops-{size}.npz")
    return times


class _Side:
    """Model, dictionary and tokens as SAEDashboard wants them."""

    def __init__(self, job: Job, folder: Path, out: Path, *, prompts: int) -> None:
        self._job, self._prompts = job, prompts
        self._model = hooked_model(folder / MODEL_FOLDER)
        self._sae = SAE.load_from_disk(folder / SAE_FOLDER, device="cpu", dtype="float32")
        self._rows = read_tokens(folder)
        self._tokens = torch.from_numpy(self._rows)
        self._vocabulary = _vocabulary(folder / MODEL_FOLDER, self._model.cfg.d_vocab)
        self._cache = out / "cached_activations"
        self.clear_cache()

    def gather(self, features: list[int]) -> SaeVisData:
        """Everything that the dashboards of these features show."""
        config = SaeVisConfig(
            hook_point=self._job.hook_name,
            features=features,
            minibatch_size_features=len(features),
            minibatch_size_tokens=self._prompts,
            device="cpu",
            feature_centric_layout=_layout(self._job.n_top),
            dtype="float32",
            cache_dir=self._cache,
            ignore_tokens={self._job.bos_id},
        )
        return SaeVisRunner(config).run(encoder=self._sae, model=self._model, tokens=self._tokens)

    def write(self, data: SaeVisData, path: Path) -> None:
        """The batch's JSON file for Neuronpedia."""
        config = NeuronpediaRunnerConfig(
            sae_set="benchmark",
            sae_path=SAE_FOLDER,
            outputs_dir=str(self._cache.parent),
            n_prompts_total=self._job.n_contexts,
            n_tokens_in_prompt=self._job.n_ctx,
            model_id=MODEL_FOLDER,
            layer=self._job.layer,
        )
        text = NeuronpediaConverter.convert_to_np_json(self._model, data, config, self._vocabulary)
        path.write_text(text, encoding="utf-8")

    def top_contexts(self, data: SaeVisData, feature: int) -> tuple[list[FoundContext], bool]:
        """Contexts of the top group, each once, and whether the group has room left for tokens that do not fire.

        The group is of tokens, so that one context may stand in it several times. Without a buffer SAEDashboard leaves
        the first token of every context, the BOS, out of what it returns.
        """
        group = data.feature_data_dict[feature].sequence_data.seq_group_data[0].seq_data
        contexts = {each.original_index: np.array([0.0, *each.feat_acts], np.float32) for each in group}
        for each in group:
            if not np.array_equal(each.token_ids, self._rows[each.original_index, 1:]):
                raise SystemExit(f"Feature {feature}: context {each.original_index} came back with other tokens.")
        n_firing = sum(1 for each in group if contexts[each.original_index][each.qualifying_token_index] > 0)
        return [FoundContext(*item) for item in contexts.items()], n_firing < len(group)

    def clear_cache(self) -> None:
        """Forget the activations, so that the next first batch computes them."""
        shutil.rmtree(self._cache, ignore_errors=True)


def hooked_model(folder: Path) -> HookedSAETransformer:
    """The GPT-2 in the folder with TransformerLens's hooks, its weights as they are stored."""
    stored = GPT2LMHeadModel.from_pretrained(folder)
    shape = stored.config
    # By name, for TransformerLens 2, which this runs beside, takes other arguments than ours.
    sizes: dict[str, Any] = dict(
        n_layers=shape.n_layer,
        d_model=shape.n_embd,
        n_heads=shape.n_head,
        d_head=shape.n_embd // shape.n_head,
        d_mlp=4 * shape.n_embd,
        n_ctx=shape.n_positions,
        d_vocab=shape.vocab_size,
        act_fn=shape.activation_function,
        normalization_type="LN",
        eps=shape.layer_norm_epsilon,
        device="cpu",
        dtype=torch.float32,
        init_weights=False,
        original_architecture="GPT2LMHeadModel",
    )
    config = HookedTransformerConfig(**sizes)
    model = HookedSAETransformer(config)
    model.load_and_process_state_dict(
        convert_gpt2_weights(stored, config),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    return model


def _layout(n_top: int) -> SaeVisLayoutConfig:
    """The layout of SAEDashboard's runner for Neuronpedia: whole contexts, five intervals of five."""
    sequences = SequencesConfig(
        stack_mode="stack-all",
        buffer=None,
        compute_buffer=True,
        n_quantiles=5,
        top_acts_group_size=n_top,
        quantile_group_size=5,
    )
    parts = (ActsHistogramConfig(), LogitsHistogramConfig(), LogitsTableConfig(), FeatureTablesConfig(n_rows=3))
    return SaeVisLayoutConfig(columns=[Column(sequences, *parts)])


def _vocabulary(folder: Path, d_vocab: int) -> dict[int, str]:
    """The text of each token id, as their runner pads it."""
    words = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return dict.fromkeys(range(d_vocab), "<|outofrange|>") | {number: word for word, number in words.items()}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
