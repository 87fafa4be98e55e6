"""A setting of the page's sliders, and the layout and plan that it stands for."""

from dataclasses import dataclass
from typing import Any

from mrl_adapters.qdrant import CollectionLayout, SearchPlan
from mrl_adapters.qdrant.quantization import Quantization

K = 10
"""Results of a search that count."""

CANDIDATES = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000)
"""Lengths of the shortlist to choose from."""

_QUANTIZATIONS: dict[int, Quantization | None] = {
    32: None,
    8: "int8",
    4: "turbo4",
    2: "turbo2",
    1: "turbo1",
}


@dataclass(frozen=True)
class Setting:
    """What the sliders say.

    Args:
        dimensions: Size of the short vectors.
        bits: Bits a number of their codes.
        candidates: Length of the shortlist that the full vectors re-rank.
        rotated: Whether short vectors are cut from rotated ones.
    """

    dimensions: int
    bits: int
    candidates: int
    rotated: bool

    @property
    def codes(self) -> tuple[int, int, bool]:
        """What decides the codes: all but the length of the shortlist."""
        return self.dimensions, self.bits, self.rotated


def layout_and_plan(
    setting: Setting, layout: CollectionLayout, k: int
) -> tuple[CollectionLayout, SearchPlan]:
    """Make the layout and the plan that a setting stands for.

    Args:
        setting: The sliders.
        layout: The layout of the collection that is shown.
        k: Results wanted.
    """
    stages = () if setting.dimensions == layout.dimensions else (setting.dimensions,)
    plan = SearchPlan(
        oversampling=max(1.0, setting.candidates / k),
        min_candidates=setting.candidates,
        stages=stages or None,
    )
    made = CollectionLayout(
        layout.dimensions,
        stages,
        layout.distance,
        model=layout.model,
        reduction=layout.reduction,
        quantization=_QUANTIZATIONS[setting.bits],
        rotation="auto" if setting.rotated and stages else None,
    )
    return made, plan


def as_code(setting: Setting, layout: CollectionLayout, k: int) -> str:
    """Write a setting as Python that can be pasted.

    Args:
        setting: The sliders.
        layout: The layout of the collection that is shown.
        k: Results wanted.
    """
    made, plan = layout_and_plan(setting, layout, k)
    lines = ["from mrl_adapters.qdrant import CollectionLayout, SearchPlan", ""]
    plain = CollectionLayout(made.dimensions, made.stages)
    options = ("distance", "model", "reduction", "rotation", "quantization")
    changed = {
        name: getattr(made, name) for name in options if getattr(made, name) != getattr(plain, name)
    }
    lines += _call("layout = CollectionLayout", [made.dimensions, made.stages], changed)
    default = SearchPlan()
    knobs = {
        key: getattr(plan, key)
        for key in ("stages", "oversampling", "min_candidates")
        if getattr(plan, key) != getattr(default, key)
    }
    lines += _call("plan = SearchPlan", [], knobs)
    return "\n".join(lines) + "\n"


def _call(start: str, positional: list[Any], named: dict[str, Any]) -> list[str]:
    """Write a call, on one line where it is short."""
    parts = [*map(repr, positional), *(f"{key}={value!r}" for key, value in named.items())]
    line = f"{start}({', '.join(parts)})"
    if len(line) <= 88:  # noqa: PLR2004 - as wide as Python is written
        return [line]
    return [f"{start}(", *(f"    {part}," for part in parts), ")"]
