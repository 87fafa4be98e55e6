"""Which layouts are worth building: cuts by what a sample's brute force needs of them."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mrl_adapters import registry
from mrl_adapters.evaluation.searcher import Queries
from mrl_adapters.evaluation.stage_estimates import shortlist, similarity
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.points import derive
from mrl_adapters.qdrant.quantization import Quantization
from mrl_adapters.vectors import FloatArray, Rotation

_QUERIES = 200  # of the brute force
_SMALLEST_CUT = 32
_CUTS = 3  # that are built
_LONGEST_LIST = 60  # times k: longer shortlists cost more than a larger cut
_ROTATION_GAIN = 0.8  # a rotation must shorten the list so far to be worth keeping
_QUARTER = 4  # of the sample, to see how lists grow with the collection
_FEWEST_ONE_BIT = 256  # dimensions
_CUT_CODES: tuple[Quantization, ...] = ("int8", "turbo4", "turbo2")
_GRAPHS = ((16, 100), (32, 200))
_FULL_CODES: tuple[Quantization, ...] = ("int8", "turbo4", "turbo2", "turbo1")


class Candidate(NamedTuple):
    """A layout to build, and how its shortlists grow with the collection."""

    layout: CollectionLayout
    exponent: float
    """A collection of twice the size needs 2 ** exponent times the candidates."""

    def with_other_graph(self) -> "Candidate":
        """Return the same layout with the other graph: links a node, and beam of the build."""
        present = self.layout.graph(self.layout.searched_dimensions)
        m, ef_construct = next(graph for graph in _GRAPHS if graph[0] != present.m)
        layout = replace(self.layout, hnsw_m=m, hnsw_ef_construct=ef_construct)
        return self._replace(layout=layout)


class _Cut(NamedTuple):
    layout: CollectionLayout
    needed: int
    """Candidates, in a collection of the size wanted."""
    exponent: float


def worthwhile(
    base: CollectionLayout,
    documents: FloatArray,
    queries: Queries,
    target: float,
    k: int,
    points: int,
) -> Iterator[Candidate]:
    """List the layouts to try: no cut, and the smallest cuts whose shortlists stay short.

    A cut is taken rotated where that shortens its list by a fifth, and by plain slices else. All
    have the graph that a layout of their size has by itself; another is tried on the best.

    Args:
        base: What all have in common, without stages.
        documents: The sample, shape (n, d).
        queries: Queries; the first 200 are used.
        target: Mean overlap to reach.
        k: Results a query.
        points: Size of the collection that is wanted.
    """
    for codes in _FULL_CODES:
        if codes != "turbo1" or base.dimensions >= _FEWEST_ONE_BIT:
            yield Candidate(replace(base, quantization=codes), 0.0)
    for cut in _cuts(base, documents, queries.vectors[:_QUERIES], target, k, points):
        for codes in _CUT_CODES:
            yield Candidate(replace(cut.layout, quantization=codes), cut.exponent)


def _cuts(
    base: CollectionLayout,
    documents: FloatArray,
    queries: FloatArray,
    target: float,
    k: int,
    points: int,
) -> list[_Cut]:
    sizes = _sizes(base)
    if not sizes or base.distance == "Manhattan":  # whose brute force takes too long
        return [_Cut(_with_stage(base, size, None), 0, 0.0) for size in sizes[-_CUTS:]]
    rotation = None
    if len(documents) >= base.dimensions:
        rotation = Rotation.fit(documents, sizes[-1])
    whole = _Truth.of(base, documents, queries, k)
    part = _Truth.of(base, documents[::_QUARTER], queries, k)
    cuts = []
    for size in sizes:
        ways = []
        if base.reduction not in {"heads", "projection"}:
            ways.append(_measured(_with_stage(base, size, None), whole, part, target, points))
        if rotation is not None:
            ways.append(_measured(_with_stage(base, size, rotation), whole, part, target, points))
        if ways:
            best = min(ways, key=lambda way: way.needed)
            cuts.append(best if best.needed < _ROTATION_GAIN * ways[0].needed else ways[0])
    short = [cut for cut in cuts if cut.needed <= _LONGEST_LIST * k]
    return (short or cuts[-1:])[:_CUTS]


def _sizes(base: CollectionLayout) -> list[int]:
    """List the sizes to cut to, smallest first: halvings, and what the model was trained for."""
    halvings = {base.dimensions >> step for step in range(1, base.dimensions.bit_length())}
    spec = registry.find(base.model) if base.model else None
    trained = set(spec.nested) if spec else set()
    return sorted(size for size in halvings | trained if _SMALLEST_CUT <= size < base.dimensions)


def _with_stage(base: CollectionLayout, size: int, rotation: Rotation | None) -> CollectionLayout:
    return CollectionLayout(
        base.dimensions,
        (size,),
        base.distance,
        model=base.model,
        reduction=base.reduction,
        rotation=rotation,
        full_name=base.full_name,
        full_datatype=base.full_datatype,
    )


class _Truth(NamedTuple):
    documents: FloatArray
    queries: FloatArray
    rows: np.ndarray
    """The nearest documents of each query, shape (m, k)."""

    @classmethod
    def of(
        cls, base: CollectionLayout, documents: FloatArray, queries: FloatArray, k: int
    ) -> "_Truth":
        scores = similarity(queries, documents, base.distance)
        k = min(k, len(documents))
        return cls(documents, queries, np.argpartition(-scores, k - 1, axis=1)[:, :k])

    def needed(self, layout: CollectionLayout, target: float) -> int:
        """Count the candidates by which a cut finds enough of them, were its search exact."""
        [size] = layout.stages
        name = layout.stage_name(size)
        scores = similarity(
            derive(self.queries, layout)[name],
            derive(self.documents, layout)[name],
            layout.distance,
        )
        own = np.take_along_axis(scores, self.rows, axis=1)
        ordered = np.sort(scores, axis=1)
        ranks = [
            (len(row) - np.searchsorted(row, mine, side="right") + 1).astype(np.float32)
            for row, mine in zip(ordered, own, strict=True)
        ]
        return shortlist(ranks, target, self.rows.shape[1])


def _measured(
    layout: CollectionLayout, whole: _Truth, part: _Truth, target: float, points: int
) -> _Cut:
    """Measure a cut's shortlist in the sample and in a quarter of it, and see how it grows."""
    needed, fewer = whole.needed(layout, target), part.needed(layout, target)
    exponent = min(1.0, max(0.0, math.log(needed / fewer) / math.log(_QUARTER)))
    grown = needed * max(1.0, points / len(whole.documents)) ** exponent
    return _Cut(layout, math.ceil(grown), exponent)
