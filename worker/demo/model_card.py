"""Writes the demo model's card from what was measured, naming every package it learned from."""

import json
from pathlib import Path
from typing import Any

from worker.demo.architecture import MODEL_FOLDER
from worker.demo.evaluate import MEASURES
from worker.demo.packages import PinnedPackage, pinned_packages
from worker.demo.training_text import REPORT

CARD = MODEL_FOLDER / "README.md"
TEMPLATE = Path(__file__).with_name("model_card.md")


def card(
    template: str,
    measures: dict[str, Any],
    packages: list[PinnedPackage],
    *,
    characters: dict[str, dict[str, int]],
) -> str:
    """The card's text.

    template: Markdown with fields in braces. characters: of each package's code and
    prose that were gathered; a package that gave none is not listed.
    """
    given = {name: sum(kinds.values()) for name, kinds in characters.items()}
    used = [package for package in packages if given.get(package.name)]
    trained = [package for package in used if not package.held_out]
    kinds = {kind: sum(characters[package.name].get(kind, 0) for package in trained) for kind in ("code", "prose")}
    demo, held_out = measures["demo_corpus"], measures["held_out"]
    return template.format(
        parameters=f"{measures['parameters'] / 1e6:.1f}",
        tokens=f"{measures['tokens'] / 1e6:.1f}",
        stream_tokens=f"{measures['stream_tokens'] / 1e6:.1f}",
        steps=measures["steps"],
        minutes=measures["minutes"],
        recipe=measures["recipe"],
        demo=demo,
        held_out=held_out,
        demo_tokens=f"{demo['tokens'] / 1e6:.2f}",
        held_out_tokens=f"{held_out['tokens'] / 1e6:.2f}",
        demo_gap=f"{demo['kneser_ney'] - demo['model']:.2f}",
        held_out_gap=f"{held_out['kneser_ney'] - held_out['model']:.2f}",
        megabytes=f"{sum(kinds.values()) / 1e6:.0f}",
        prose_share=f"{100 * kinds['prose'] / max(1, sum(kinds.values())):.0f}",
        package_count=len(trained),
        packages=_rows(trained),
        held_out_packages=_rows([package for package in used if package.held_out]),
    )


def main() -> None:
    """Writes assets/model/README.md."""
    text = card(
        TEMPLATE.read_text(),
        json.loads(MEASURES.read_text()),
        pinned_packages(),
        characters=json.loads(REPORT.read_text())["characters"],
    )
    CARD.write_text(text)
    print(f"Wrote {CARD}.")


def _rows(packages: list[PinnedPackage]) -> str:
    head = "| package | version | licence |\n| --- | --- | --- |\n"
    rows = (f"| {package.name} | {package.version} | {package.licence} |" for package in packages)
    return head + "\n".join(rows)


if __name__ == "__main__":
    main()
