"""Side by side with SAEDashboard and delphi: `python -m benchmarks.peers`.

The same seeded model (a GPT-2 of six layers, read after the third), the same dictionary (ReLU, saved in the SAELens
layout), the same contexts (each with its BOS, each a document of its own), float32, the same number of threads. Each
side runs in a process of its own, one after the other, with OMP_WAIT_POLICY=PASSIVE; environments are made under
`build/peers` on the first run, which downloads some hundred MB. What each clock holds stands in `ours.py`,
`saedashboard.py` and `delphi.py`; importing and loading are outside all of them.

Ours is a whole harvest, all features, every reducer, database write included, and never extrapolated. SAEDashboard
works through its features in batches and reads the model's activations again for each. Of its first size one batch more
than --batches is made: that one also runs the model, all others read back what it saved. The time of all features is
extrapolated in a straight line: the model's pass (what the first batch took more than the later ones of its size) once,
and the mean of the later batches for every batch there is. --full makes every batch and extrapolates nothing. delphi's
cache is one pass over all features and is not extrapolated; it keeps activations, and makes no dashboards of them.

On each side's features the top contexts are compared (`agreement.py`): peaks, contexts and the activation on every
token, within 1/1000 of the feature's greatest activation and what the other side rounds away (SAEDashboard four
decimals, delphi float16 and what is below 1e-5). Ends with 1 where they are not the same.

Keys of the last line: `ratio` (SAEDashboard's wall time over ours, its quicker size), `cpu_ratio` (the same of
processor time, steadier where other programs run), `extrapolated`, `same` (whether all top contexts agree), `ours`
(`seconds`, `cpu_seconds`, `tokens_per_second`, `peak_mb`; `runs`, the times of each), `saedashboard` (`sizes`: for each
`feature_batch` the times of the `batches` made, of `batches_in_all`, `seconds` and `cpu_seconds` of all features,
`ratio`, `cpu_ratio`, `agreement`; `peak_mb`, `versions`), `delphi` (`seconds`, `cpu_seconds`, `ratio`, `cpu_ratio`,
`examples_seconds` to pool the compared features' contexts, `peak_mb`, `agreement`, `versions`; or `left_out` and why),
`size`, `machine`.
"""

import argparse
import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harvest_world import Size
from benchmarks.machine import describe_machine
from benchmarks.peers.environments import ENVIRONMENTS, EnvironmentFailed
from benchmarks.peers.sides import SideFailed, Sides
from benchmarks.peers.world import Compared, make_job

QUICK = {"tokens": 16_000, "d_sae": 2_048, "d_model": 256, "feature_batch": [32, 64]}


def main(argv: list[str] | None = None) -> int:
    """Measure, compare and print."""
    options = _options(argv)
    with ExitStack() as stack:
        folder = options.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="featurescope-peers-")))
        try:
            figures = _measure(options, folder)
        except (EnvironmentFailed, SideFailed) as error:
            print(error)
            return 2
    print(json.dumps(figures))
    return 0 if figures["same"] else 1


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tokens", "d_model", "d_sae", "l0", "n_ctx"):
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(Size(), name))
    parser.add_argument(
        "--feature-batch", type=int, nargs="+", default=[128, 256], help="SAEDashboard's sizes (default 128 256)"
    )
    parser.add_argument("--batches", type=int, default=1, help="batches of each size that read back activations")
    parser.add_argument("--full", action="store_true", help="make all batches; hours at the default size")
    parser.add_argument("--prompts", type=int, default=32, help="contexts a forward pass of SAEDashboard (its default)")
    parser.add_argument("--repeats", type=int, default=1, help="2 runs ours before and after the others")
    parser.add_argument("--no-delphi", action="store_true", help="leave delphi out")
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it works; minutes")
    parser.add_argument("--folder", type=Path, help="keep everything here (default: a temporary folder)")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where the environments are made")
    options = parser.parse_args(argv)
    if options.quick:
        vars(options).update(QUICK)
    if options.full:
        options.batches = -(-options.d_sae // min(options.feature_batch))
    return options


def _measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    names = ("tokens", "d_model", "d_sae", "l0", "n_ctx")
    size = Size(**{name: getattr(options, name) for name in names}, dtype="float32")
    folder.mkdir(parents=True, exist_ok=True)
    most = max((options.batches + (number == 0)) * each for number, each in enumerate(options.feature_batch))
    sides = Sides(folder, options.environments)
    sides.prepare(delphi=not options.no_delphi)
    job = make_job(size, Compared(features=most), folder)
    runs = [sides.ours()]
    saedashboard = sides.saedashboard(options.feature_batch, batches=options.batches, prompts=options.prompts)
    delphi = sides.delphi()
    runs += [sides.ours() for _ in range(options.repeats - 1)]
    return sides.figures(job, runs, saedashboard=saedashboard, delphi=delphi) | {
        "size": asdict(size) | {"text_tokens": job.text_tokens, "contexts": job.n_contexts, "layers": job.layer + 1},
        "machine": describe_machine(),
    }


if __name__ == "__main__":
    raise SystemExit(main())
