"""How the cost of a harvest grows: `python -m benchmarks.growth`.

Tokens, features and dictionaries grow by 4 and 16 (dictionaries: 4 and 8), one at a time, each against its own ceiling
in the same run; other kinds of dictionary, dtypes and lengths of context stand beside them. Every point is a run of
`benchmarks.harvest` in a process of its own, which says what the ceiling is, without what the weights alone say. The
answers are kept in a file, so that points can be run one by one in quiet moments (`--only tokens-65536`); `--draw`
makes the table and the plot of what is in the file.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.growth.plot import svg_of
from benchmarks.growth.points import POINTS, Point
from benchmarks.growth.table import table_of

RESULTS = Path("build/growth.json")


def main(argv: list[str] | None = None) -> int:
    """Measure what was asked for, keep it, and print all there is."""
    options = _parser().parse_args(argv)
    if options.list:
        print("\n".join(point.name for point in POINTS))
        return 0
    found = _read(options.results)
    for point in POINTS if not options.draw else ():
        if not options.only or point.name in options.only:
            print(f"{point.name} …", flush=True)
            found[point.name] = _run(point, options.tokens)
            _keep(options.results, found)
    if options.draw:
        options.draw.write_text(svg_of(found), encoding="utf-8")
        print(table_of(found))
    print(json.dumps({"points": found}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [point.name for point in POINTS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="POINT", help="only these points (see --list)")
    parser.add_argument("--list", action="store_true", help="the names of the points")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where answers are kept (default %(default)s)")
    parser.add_argument("--draw", type=Path, metavar="SVG", help="measure nothing; draw the plot and print the table")
    parser.add_argument("--tokens", type=int, help="so many tokens at every point, for a look at whether it runs")
    return parser


def _run(point: Point, tokens: int | None) -> dict[str, Any]:
    """What the point's process said in its last line."""
    words = [*point.options, *(("--tokens", str(tokens)) if tokens else ())]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.harvest", "--no-weights", *words], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"The point {point.name} failed; what it said is above.")
    figures = json.loads(done.stdout.splitlines()[-1])
    print(f"  {figures['ratio']} × the ceiling, shards alone {figures['shards_ratio']} ×", flush=True)
    return figures


def _read(path: Path) -> dict[str, dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _keep(path: Path, found: dict[str, dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(found, indent=1), encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
