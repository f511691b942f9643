"""Side by side with SAELens: what we write it reads, what it writes we read, and both give the same numbers.

SAELens needs TransformerLens below 4, so it lives in an environment of its own. Make one with
`python -m venv build/saelens && build/saelens/bin/pip install sae-lens==6.54.12 torch==2.13.0`,
and name its interpreter in SAELENS_PYTHON.
"""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker.sae.formats import load, save

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("SAELENS_PYTHON" not in os.environ, reason="SAELENS_PYTHON names no environment with SAELens"),
]

RUN = """
import sys, torch
from pathlib import Path
from safetensors.torch import load_file, save_file
from sae_lens import SAE
folder = Path(sys.argv[1])
acts = load_file(folder / "acts.safetensors")["acts"]
for sae_folder in sorted(path.parent for path in folder.glob("*/cfg.json")):
    sae = SAE.load_from_disk(sae_folder, device="cpu")
    with torch.no_grad():
        codes = sae.encode(acts)
        save_file({"codes": codes, "recon": sae.decode(codes)}, sae_folder / "theirs.safetensors")
"""

MAKE = """
import sys, torch
from pathlib import Path
from sae_lens import (
    BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, JumpReLUSAE, JumpReLUSAEConfig,
    StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig,
)
from sae_lens.saes.sae import SAEMetadata
folder = Path(sys.argv[1])
torch.manual_seed(0)
metadata = SAEMetadata(hook_name="blocks.0.hook_resid_post", model_name="tiny", context_size=32, prepend_bos=True)
made = {
    "standard": (StandardSAE, StandardSAEConfig, {}),
    "centred": (StandardSAE, StandardSAEConfig, {"apply_b_dec_to_input": False}),
    "jumprelu": (JumpReLUSAE, JumpReLUSAEConfig, {}),
    "topk": (TopKSAE, TopKSAEConfig, {"k": 3}),
    "rescaled": (TopKSAE, TopKSAEConfig, {"k": 3, "rescale_acts_by_decoder_norm": True}),
}
for name, (kind, config, options) in made.items():
    sae = kind(config(d_in=6, d_sae=16, metadata=metadata, **options))
    for parameter in sae.parameters():
        parameter.data = torch.randn_like(parameter)
    if name == "jumprelu":
        sae.threshold.data = torch.rand(16)
    sae.save_model(folder / name)
sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(d_in=6, d_sae=16, k=3, metadata=metadata))
for parameter in sae.parameters():
    parameter.data = torch.randn_like(parameter)
sae.topk_threshold = torch.tensor(0.7, dtype=torch.float64)
sae.save_inference_model(folder / "batchtopk")
"""


def in_saelens(script: str, folder: Path) -> None:
    subprocess.run([os.environ["SAELENS_PYTHON"], "-c", script, str(folder)], check=True, capture_output=True)


@pytest.fixture
def folder(acts, tmp_path):
    save_file({"acts": acts}, str(tmp_path / "acts.safetensors"))
    return tmp_path


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saelens_reads_what_we_write(dtype, folder, make_dictionary, acts):
    kinds = ("relu", "topk", "jumprelu", "pca", "random", "neurons")
    for kind in kinds:
        save(make_dictionary(kind), folder / kind, dtype=dtype)
    in_saelens(RUN, folder)
    for kind in kinds:
        ours, theirs = load(folder / kind), load_file(folder / kind / "theirs.safetensors")
        feature_acts = ours.encode(acts)
        norms = torch.ones(ours.d_sae) if kind == "topk" else ours.decoder_norms
        assert torch.allclose(feature_acts, theirs["codes"] * norms, atol=1e-4), kind
        assert torch.allclose(ours.decode(feature_acts), theirs["recon"], atol=1e-4), kind


def test_we_read_what_saelens_writes(folder, acts):
    in_saelens(MAKE, folder)
    in_saelens(RUN, folder)
    found = sorted(path.parent for path in folder.glob("*/cfg.json"))
    assert len(found) == 6
    for sae_folder in found:
        ours, theirs = load(sae_folder), load_file(sae_folder / "theirs.safetensors")
        feature_acts = ours.encode(acts)
        assert torch.equal(feature_acts > 0, theirs["codes"] > 0), sae_folder.name
        assert torch.allclose(ours.decode(feature_acts), theirs["recon"], atol=1e-4), sae_folder.name
