"""Live inference over the same forward pass and encode called directly: `python -m benchmarks.live`.

The clock stands at the door of a real worker: from opening a connection, as the app does for each request, to the last
byte of the answer with every activation of every feature. The ceiling is the same contexts in one batch through the
plain Hugging Face modules up to the hook (no hooks, no cache), and one product of the kept tokens with W_enc into a
buffer that is there already: the same dtype, device and threads, no bias, no selection, no tokenising. Both run in
turn; medians are compared. Tokens count the BOS of every context; longer texts are cut as a harvest cuts them.

Then 1, 8 and 32 clients ask at once, each again as soon as it is answered, in rounds that alternate; what counts is
answers a second over those of one client, medians over the rounds. Before all, answers are held against the
dictionary's own encode. Exits with 1 where an answer was an error or a wrong one.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

from benchmarks.harvest_world import Size
from benchmarks.live_clients import Round, crowd
from benchmarks.live_world import Asked, World, live_world
from benchmarks.machine import describe_machine
from catalog.live_answers import LiveFirings, read_live_answer

D_MODEL = 768
OK = 200
RATIO_AT = 64
FULL_REPEATS_UP_TO = 512
LIMITS = {"ratio": 1.3, "clients_ratio": {"cpu": 1.2, "cuda": 2.0}}
# How far an activation may be off, over the greatest there is: another batch rounds otherwise.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. tokens: of single requests. client_tokens: of those of clients. seconds: of their rounds."""

    tokens: tuple[int, ...]
    repeats: int
    clients: tuple[int, ...]
    client_tokens: int
    rounds: int
    seconds: float

    def repeats_of(self, n_tokens: int) -> int:
        """Fewer of long requests, so that they do not take most of the time."""
        return max(3, min(self.repeats, self.repeats * FULL_REPEATS_UP_TO // n_tokens))


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(argv)
    size = Size(D_MODEL, options.d_sae, 0, 1, options.kind, options.l0, options.dtype, options.n_ctx)
    plan = Plan(
        tokens=_numbers(options.tokens),
        repeats=5 if options.quick else options.repeats,
        clients=_numbers(options.clients),
        client_tokens=options.client_tokens,
        rounds=1 if options.quick else options.rounds,
        seconds=3.0 if options.quick else options.seconds,
    )
    hook = f"blocks.{options.layer}.hook_resid_pre"
    with tempfile.TemporaryDirectory(prefix="featurescope-live-") as folder:
        with live_world(Path(folder), size, hook) as world:
            figures = _measure(world, plan, n_ctx=size.n_ctx, layer=options.layer)
    shape = {"shape": "GPT-2-small", "hook": hook, **asdict(size), "dtype": str(world.dtype).removeprefix("torch.")}
    print(json.dumps({**figures, "size": shape, "plan": asdict(plan), "machine": describe_machine()}))
    return int(figures["errors"] > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default=f"16,{RATIO_AT},512,2048", help="lengths of single requests")
    parser.add_argument("--repeats", type=int, default=20, help="requests of each length (default 20)")
    parser.add_argument("--clients", default="1,8,32", help="clients at once")
    parser.add_argument("--client-tokens", type=int, default=RATIO_AT, help="tokens of their requests")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of clients (default 5)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a round (default 8)")
    parser.add_argument("--layer", type=int, default=8, help="the hook is what this layer reads (default 8)")
    parser.add_argument("--d-sae", type=int, default=24_576)
    parser.add_argument("--kind", default="relu", choices=["relu", "topk", "jumprelu"])
    parser.add_argument("--l0", type=int, default=64)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--n-ctx", type=int, default=128)
    parser.add_argument("--quick", action="store_true", help="few requests and one short round")
    return parser


def _numbers(listed: str) -> tuple[int, ...]:
    return tuple(int(each) for each in listed.split(","))


def _measure(world: World, plan: Plan, *, n_ctx: int, layer: int) -> dict[str, Any]:
    direct = _Direct(world, layer)
    times: dict[int, dict[str, list[float]]] = {}
    errors, far = 0, 0.0
    for n_tokens in plan.tokens:
        first = Asked.of(n_tokens, n_ctx=n_ctx, seed=1000)
        far = max(far, _farthest(world, direct, first, world.door.ask(first.text)))
        direct.seconds(first)
        times[n_tokens] = {"door": [], "direct": []}
        for seed in range(plan.repeats_of(n_tokens)):
            asked = Asked.of(n_tokens, n_ctx=n_ctx, seed=seed)
            times[n_tokens]["direct"].append(direct.seconds(asked))
            began = time.perf_counter()
            status, _ = world.door.ask(asked.text)
            times[n_tokens]["door"].append(time.perf_counter() - began)
            errors += status != OK
        told = ", ".join(f"{side} {1e3 * median(each):.1f} ms" for side, each in times[n_tokens].items())
        print(f"{n_tokens} tokens: {told}", flush=True)
    rounds = _rounds(world, plan, n_ctx=n_ctx)
    errors += sum(found.errors for found in rounds) + (far > TOLERANCE.get(world.dtype, 0.0))
    return _figures(times, rounds, world) | {"errors": errors, "greatest_difference": float(f"{far:.2g}")}


def _rounds(world: World, plan: Plan, *, n_ctx: int) -> list[Round]:
    text = Asked.of(plan.client_tokens, n_ctx=n_ctx, seed=2000).text
    found = []
    for number in range(plan.rounds):
        for clients in plan.clients:
            found.append(crowd(world.door, clients, text, seconds=plan.seconds))
            print(f"round {number + 1}, {clients} clients: {found[-1].rate:.1f} answers a second", flush=True)
    return found


def _figures(times: dict[int, dict[str, list[float]]], rounds: list[Round], world: World) -> dict[str, Any]:
    single = {n: {side: median(each) for side, each in sides.items()} for n, sides in times.items()}
    ratios = {n: round(sides["door"] / sides["direct"], 3) for n, sides in single.items()}
    rates = {n: median(each.rate for each in rounds if each.clients == n) for n in {each.clients for each in rounds}}
    fewest, most = min(rates), max(rates)
    return {
        "ratio": ratios.get(RATIO_AT),
        "ratios": ratios,
        "door_ms": {n: round(1e3 * sides["door"], 2) for n, sides in single.items()},
        "direct_ms": {n: round(1e3 * sides["direct"], 2) for n, sides in single.items()},
        "clients_ratio": round(rates[most] / rates[fewest], 3),
        "answers_per_second": {n: round(rate, 2) for n, rate in sorted(rates.items())},
        "slowest_ms": {
            n: round(1e3 * max(each.slowest for each in rounds if each.clients == n)) for n in sorted(rates)
        },
        "limits": {"ratio": LIMITS["ratio"], "clients_ratio": LIMITS["clients_ratio"].get(world.device.type)},
    }


class _Direct:
    """The unavoidable work by itself."""

    def __init__(self, world: World, layer: int) -> None:
        plain = GPT2LMHeadModel.from_pretrained(world.model, dtype=world.dtype).transformer.eval()
        plain.h = plain.h[:layer]
        plain.ln_f = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
        nn.Module.to(plain, world.device)
        assert world.dictionary.W_enc is not None
        self._plain, self._device = plain, world.device
        self._W_enc = world.dictionary.W_enc.to(world.device, world.dtype)
        self._buffer: Tensor = torch.empty(0, dtype=world.dtype, device=world.device)

    def acts(self, asked: Asked) -> Tensor:
        """What the hook holds at the kept tokens."""
        resid = self._plain(torch.from_numpy(asked.token_ids).to(self._device), use_cache=False).last_hidden_state
        return resid.reshape(-1, resid.shape[-1]).index_select(0, torch.from_numpy(asked.kept).to(self._device))

    def seconds(self, asked: Asked) -> float:
        """Forward pass and product of one request."""
        n, width = len(asked.kept), self._W_enc.shape[1]
        if self._buffer.numel() < n * width:
            self._buffer = torch.zeros(n * width, dtype=self._W_enc.dtype, device=self._device)
        self._wait()
        began = time.perf_counter()
        with torch.inference_mode():
            torch.mm(self.acts(asked), self._W_enc, out=self._buffer[: n * width].view(n, width))
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _farthest(world: World, direct: _Direct, asked: Asked, answer: tuple[int, bytes]) -> float:
    """The greatest difference of an answer to the dictionary's own encode, over the greatest activation."""
    status, body = answer
    if status != OK:
        raise SystemExit(f"The door answered {status}: {body.decode(errors='replace')}")
    (found,) = read_live_answer(body).results
    with torch.inference_mode():
        dense = world.dictionary.encode(direct.acts(asked).float().cpu()).numpy()
    live = np.zeros_like(dense)
    live[_kept_rows(found, asked), found.features] = found.activations
    return float(np.abs(dense - live).max() / dense.max())


def _kept_rows(found: LiveFirings, asked: Asked) -> np.ndarray:
    """For each firing its row among the kept tokens: its place less the BOS tokens up to it."""
    assert len(found.context_starts) == len(asked.token_ids)
    return found.positions - np.searchsorted(found.context_starts, found.positions, side="right")


if __name__ == "__main__":
    raise SystemExit(main())
