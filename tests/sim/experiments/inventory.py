"""What the experiments offer and draw, written down: ``python -m tests.sim.experiments.inventory`` writes it anew.

A default that changes, or a line of a figure that is gone, is then a change of `inventory.json` that someone has read.
"""

import json
from pathlib import Path
from typing import Any

from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform

FILE = Path(__file__).with_name("inventory.json")
SHORT = {"digits": ("epochs=2",), "apparatus": ("repeats=1", "rounds=1")}


def options(name: str) -> dict[str, list[Any]]:
    """Default, unit and meaning of every option."""
    return {key: [own.default, own.unit, own.meaning] for key, own in EXPERIMENTS[name].options.items()}


def figures(name: str) -> dict[str, list[Any]]:
    """What is on the axes of every figure of a short run on the model."""
    chosen = EXPERIMENTS[name]
    drawn = chosen.figures(*perform(chosen, "model", assignments=SHORT.get(name, ())))
    return {stem: [_axes(axes) for axes in figure.axes] for stem, figure in drawn.items()}


def _axes(axes: Any) -> dict[str, Any]:
    legend = axes.get_legend()
    return {
        "labels": [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()],
        "scales": [axes.get_xscale(), axes.get_yscale()],
        "lines": len(axes.lines),
        "others": sorted(type(part).__name__ for part in [*axes.patches, *axes.collections, *axes.images]),
        "texts": [text.get_text() for text in axes.texts],
        "legend": [] if legend is None else [text.get_text() for text in legend.get_texts()],
    }


def _lines(value: Any, depth: int = 3) -> str:
    """JSON with a line for each option and each pair of axes."""
    if depth and isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(own, depth - 1)}" for key, own in value.items()) + "\n}"
    if depth == 0 and isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f" {json.dumps(own, ensure_ascii=False)}" for own in value) + "\n]"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    found = {name: {"options": options(name), "figures": figures(name)} for name in EXPERIMENTS}
    FILE.write_text(_lines(found) + "\n", encoding="utf-8")
