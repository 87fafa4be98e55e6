"""What ``recommend`` measures and predicts: plain data."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple, TypeAlias

from mrl_adapters.evaluation.results import Trial
from mrl_adapters.qdrant import CollectionLayout, SearchPlan
from mrl_adapters.vectors import Rotation

_PRINTED = ("distance", "model", "full_name", "full_datatype", "quantization")
_KNOBS = ("oversampling", "min_candidates", "hnsw_ef", "exact", "stages", "rescore")

Proof: TypeAlias = Literal["held", "failed"] | None


class Judged(NamedTuple):
    """How good a layout's results are, by questions whose answers are known."""

    ndcg: float
    """Mean nDCG@k."""
    recall: float
    """Mean share of a question's relevant documents among the first k."""
    questions: int


@dataclass(frozen=True)
class LayoutOption:
    """One layout with the cheapest plan that reaches the target in it.

    Args:
        layout: The layout.
        trial: That plan on the sample, on the few queries that every plan was tried on; once it
            was put to the proof, on queries that had no part in choosing it, with its bound.
        plan: The same plan with as many candidates as the number of points asked for needs.
        memory_bytes: RAM that searches need: codes (without codes vectors), graphs, ids.
        disk_bytes: Everything that is stored of vectors, without payload and log.
        latency_s: Median of one search on this machine, with that memory, seconds.
        build_s: Time to build the graphs on this machine, seconds.
        built: Whether it is what the collection is today, measured on all of it.
        proof: ``held`` if a plan was proved to reach the target; ``failed`` if none was, or the
            proved one missed it on queries that had no part in choosing it; None if it was not
            put to the proof. The exact search needs none, and counts as held.
        judged: What judged questions find by that plan, in the sample; None where none were given.
    """

    layout: CollectionLayout
    trial: Trial
    plan: SearchPlan
    memory_bytes: int
    disk_bytes: int
    latency_s: float
    build_s: float
    built: bool = False
    proof: Proof = None
    judged: Judged | None = None

    @property
    def label(self) -> str:
        """What tells the layout from the others."""
        layout = self.layout
        if self.plan.exact:
            return "exact search"
        rotated = ", rotated" if layout.rotation is not None else ""
        cut = f"stage {' > '.join(map(str, layout.stages))}" if layout.stages else "no cut"
        codes = layout.quantization or "float32"
        now = "as it is: " if self.built else ""
        return f"{now}{cut}{rotated}, {codes}, m {layout.graph(layout.searched_dimensions).m}"

    @property
    def code(self) -> str:
        """The layout and the plan as Python."""
        layout, default = self.layout, {each.name: each.default for each in fields(SearchPlan)}
        given = [f"{layout.dimensions}, stages={layout.stages}"]
        defaults = CollectionLayout(layout.dimensions, layout.stages)
        given += [
            f"{name}={value!r}"
            for name in _PRINTED
            if (value := getattr(layout, name)) != getattr(defaults, name)
        ]
        if layout.rotation is not None:
            given.append('rotation="auto"')
        m, ef_construct = layout.graph(layout.searched_dimensions)
        given += [f"hnsw_m={m}", f"hnsw_ef_construct={ef_construct}"]
        knobs = {name: getattr(self.plan, name) for name in _KNOBS}
        changed = [f"{name}={value!r}" for name, value in knobs.items() if value != default[name]]
        return f"CollectionLayout({', '.join(given)})\nSearchPlan({', '.join(changed)})"


@dataclass(frozen=True)
class Recommendation:
    """The layouts that were measured, and which of them to take.

    Args:
        points: The number of points that memory, disk and latency are for.
        sample: How many points were built and searched.
        dimensions: Size of the full vectors.
        k: Results a query.
        target_overlap: Mean overlap@k with the exact search that each plan reaches.
        confidence: Probability with which the chosen plan does, on the sample.
        memory_limit_bytes: RAM that it may take; None for any.
        queries_from: ``stored points``, ``held-out vectors`` or ``given``.
        options: The layouts in which some plan reached the target on the few queries that every
            plan was tried on, and the exact search. Those that then failed the proof are among
            them, marked.
        chosen: The fastest that fits and whose proof held; None if there is none. Its overlap and
            its bound come from queries that had no part in choosing it.
    """

    points: int
    sample: int
    dimensions: int
    k: int
    target_overlap: float
    confidence: float
    memory_limit_bytes: int | None
    queries_from: str
    options: tuple[LayoutOption, ...]
    chosen: LayoutOption | None

    def fits(self, option: LayoutOption) -> bool:
        """Return whether an option needs no more memory than there is."""
        limit = self.memory_limit_bytes
        return limit is None or option.memory_bytes <= limit

    @property
    def failed(self) -> tuple[LayoutOption, ...]:
        """Options that were put to the proof and failed, in the order of the table."""
        failed = (option for option in self.options if option.proof == "failed")
        return tuple(sorted(failed, key=_size))

    @property
    def frontier(self) -> tuple[LayoutOption, ...]:
        """Options that no other beats in both memory and latency, smallest first.

        One that failed the proof does not reach the target, and beats nothing.
        """
        front: list[LayoutOption] = []
        for option in sorted(self.options, key=_size):
            if option.proof == "failed":
                continue
            if not front or option.latency_s < front[-1].latency_s:
                front.append(option)
        return tuple(front)

    @property
    def cheapest(self) -> LayoutOption:
        """The option that needs least memory, of those that did not fail the proof."""
        return min((each for each in self.options if each.proof != "failed"), key=_size)

    @property
    def further(self) -> LayoutOption | None:
        """The next faster option on the frontier, which needs more memory; None if none does."""
        if self.chosen is None:
            return None
        faster = [one for one in self.frontier if one.latency_s < self.chosen.latency_s]
        beyond = [one for one in faster if one.memory_bytes > self.chosen.memory_bytes]
        return beyond[0] if beyond else None

    def to_json(self) -> str:
        """Return everything as JSON; of a rotation its id alone."""
        return json.dumps(
            {
                **{f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NESTED},
                "options": [_plain(option) for option in self.options],
                "chosen": None if self.chosen is None else _plain(self.chosen),
            },
            indent=2,
            default=str,
        )


_NESTED = ("options", "chosen")


def _size(option: LayoutOption) -> tuple[int, float]:
    return (option.memory_bytes, option.latency_s)


def _plain(option: LayoutOption) -> dict[str, Any]:
    layout = {field.name: getattr(option.layout, field.name) for field in fields(option.layout)}
    rotation = option.layout.rotation
    layout["rotation"] = rotation.id if isinstance(rotation, Rotation) else rotation
    layout["payload_indexes"] = dict(option.layout.payload_indexes)
    return {
        "label": option.label,
        "layout": layout,
        "plan": asdict(option.plan),
        "trial": asdict(option.trial),
        "memory_bytes": option.memory_bytes,
        "disk_bytes": option.disk_bytes,
        "latency_s": option.latency_s,
        "build_s": option.build_s,
        "built": option.built,
        "proof": option.proof,
        "judged": None if option.judged is None else option.judged._asdict(),
        "code": option.code,
    }
