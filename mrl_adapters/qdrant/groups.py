"""The best passages of each document: the ungrouped ranking, put into groups.

Qdrant groups by itself, and multiplies each prefetch's limit by the size of a group: shortlists,
and with them a fused ranking, then change with the number of groups asked for. Here the ranking is
made first, whatever k, and cut into groups: those for k are the first k of those for k + 1.

The ranking is read in blocks, as :mod:`mrl_adapters.qdrant.paging` does, each twice as deep as the
one before and put behind it, until there are enough groups. A group gets the hits of the block that
it was first met in. Where these are too few, it is searched by itself, which gives the next best of
it: what full vectors rank has the same scores however it is filtered. Ranks that words have a part
in do not: such a ranking is read on first, as far as shortlists reach, until the groups are full.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from qdrant_client import models
from qdrant_client.local.payload_value_extractor import value_by_key

from mrl_adapters.arguments import MOST, whole
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters import admitted
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.ids import PointId
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.modes import scores_vectors
from mrl_adapters.qdrant.paging import MOST_CANDIDATES, filled, settled
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search

_FIRST_BLOCK = 100

GroupValue: TypeAlias = str | int


@dataclass(frozen=True)
class GroupBy:
    """What hits have in common that are in one group.

    Args:
        paths: The payload field; several where payloads keep it in one of several places, of which
            the first that holds a value counts. A list puts a point into several groups; a point
            with a value that is neither a text nor a whole number is in none, as on the server.
        size: Hits of a group at most.

    Raises:
        ConfigurationError: The size is no whole number from 1 on.
    """

    paths: tuple[str, ...]
    size: int = 3

    def __post_init__(self) -> None:
        """Refuse a size that is none."""
        object.__setattr__(self, "size", whole("group_size", self.size))

    def values(self, payload: models.Payload | None) -> list[GroupValue]:
        """List the groups that a point is in."""
        found = (value_by_key(payload or {}, path) for path in self.paths)
        values = next(filter(None, found), [])
        if any(type(value) not in {str, int} for value in values):
            return []
        return [*dict.fromkeys(values)]

    def condition(self, value: GroupValue) -> models.Filter:
        """Select the points of one group."""
        match = models.MatchValue(value=value)
        return models.Filter(
            should=[models.FieldCondition(key=path, match=match) for path in self.paths]
        )


@dataclass(frozen=True)
class Group:
    """The best hits that share a value.

    Args:
        value: The value.
        hits: At most as many as asked for, the best first.
    """

    value: GroupValue
    hits: list[models.ScoredPoint]


@dataclass
class _Grouping:
    """One search on its way to its groups."""

    search: Search
    by: GroupBy
    worded: bool  # whether words have a part in the ranking
    ended: bool = False
    _ranked: set[PointId] = field(default_factory=set)
    _groups: dict[GroupValue, list[models.ScoredPoint]] = field(default_factory=dict)
    _whole: set[GroupValue] = field(default_factory=set)  # of which there is no more

    def block(self, size: int) -> Search:
        """Build the search for the ranking's next block."""
        paths = [*self.by.paths]
        return replace(self.search, k=size, offset=0, with_payload=paths, with_vectors=False)

    def extend(self, hits: Sequence[models.ScoredPoint], size: int) -> None:
        """Put what is new in a block behind what the blocks before it had."""
        known = set() if self.worded else set(self._groups)
        for hit in hits:
            if hit.id in self._ranked:
                continue
            self._ranked.add(hit.id)
            for value in self.by.values(hit.payload):
                group = self._groups.setdefault(value, [])
                if value not in known and len(group) < self.by.size:
                    group.append(hit)
        self.ended = len(hits) < size
        if self.ended:
            self._whole = set(self._groups) - known

    def unfinished(self, size: int, plan: SearchPlan) -> bool:
        """Return whether the ranking has to be read on, by a block of this size."""
        if self.ended:
            return False
        filling = self.worded and plan.candidates(size) <= MOST_CANDIDATES
        return len(self._groups) < self._end or (filling and bool(self.lacking()))

    @property
    def _end(self) -> int:
        return self.search.offset + self.search.k

    def _wanted(self) -> list[tuple[GroupValue, list[models.ScoredPoint]]]:
        return [*self._groups.items()][self.search.offset : self._end]

    def lacking(self) -> list[GroupValue]:
        """List the groups among those wanted that have room."""
        return [
            value
            for value, hits in self._wanted()
            if len(hits) < self.by.size and value not in self._whole
        ]

    def inside(self, value: GroupValue) -> Search:
        """Build the search within one group."""
        within = admitted(self.search.query_filter)
        must: list[models.Condition] = [self.by.condition(value)]
        chosen = models.Filter(must=[within, *must] if within else must)
        return replace(
            self.search,
            k=self.by.size,
            offset=0,
            query_filter=chosen,
            with_payload=False,
            with_vectors=False,
        )

    def fill(self, value: GroupValue, hits: Sequence[models.ScoredPoint]) -> None:
        """Put what is new behind the hits of a group."""
        group = self._groups[value]
        there = {hit.id for hit in group}
        group += [hit for hit in hits if hit.id not in there][: self.by.size - len(group)]

    def hits(self) -> list[models.ScoredPoint]:
        """List all hits of the groups wanted, each once."""
        return ungrouped([Group(value, hits) for value, hits in self._wanted()])

    def groups(self, hits: Sequence[models.ScoredPoint]) -> Iterator[Group]:
        """Yield the groups wanted, with these hits for their own."""
        by_id = {hit.id: hit for hit in hits}
        for value, own in self._wanted():
            yield Group(value, [by_id[hit.id] for hit in own if hit.id in by_id])


def group_by_key(key: object, size: object, paths_of: Callable[[str], Sequence[str]]) -> GroupBy:
    """Read what adapters are told to group by.

    Args:
        key: The metadata key.
        size: Hits of a group at most; None for three.
        paths_of: Lists the payload paths that a key may mean.

    Raises:
        ConfigurationError: The key is no name, or the size no whole number from 1 on.
    """
    if not isinstance(key, str) or not key:
        expected = "a metadata key such as 'source'"
        msg = f"group_by is {key!r}, expected {expected}."
        raise ConfigurationError(msg, found=key, expected=expected)
    paths = tuple(paths_of(key))
    return GroupBy(paths) if size is None else GroupBy(paths, whole("group_size", size))


def ungrouped(groups: Sequence[Group]) -> list[models.ScoredPoint]:
    """List the hits of groups, group by group, each once: a point may be in several."""
    hits: dict[PointId, models.ScoredPoint] = {}
    for hit in (hit for group in groups for hit in group.hits):
        hits.setdefault(hit.id, hit)
    return [*hits.values()]


def grouped(
    name: str, by: GroupBy, searches: Sequence[Search], layout: CollectionLayout, plan: SearchPlan
) -> Flow[list[list[Group]]]:
    """Answer searches by groups: k and offset of a search count groups.

    Returns:
        One list of groups a search, the one with the best hit first.

    Raises:
        ConfigurationError: A search is to be diverse.
    """
    if any(search.mmr_lambda is not None for search in searches):
        msg = "Groups are ranked by similarity: leave out group_by, or what diversifies."
        raise ConfigurationError(msg)
    worded = not (scores_vectors(plan) or plan.late_interaction)
    groupings = [_Grouping(search, by, worded) for search in searches]
    size = _FIRST_BLOCK
    while unfinished := [each for each in groupings if each.unfinished(size, plan)]:
        how = plan if plan.candidates(size) <= MOST_CANDIDATES else plan.merge({"exact": True})
        blocks = [each.block(size) for each in unfinished]
        found = yield from settled(name, blocks, layout, how)
        for each, hits in zip(unfinished, found, strict=True):
            each.extend(hits, size)
        size = min(MOST, 2 * size)
    yield from _fill(groupings, name, layout, plan)
    results: list[list[Group]] = []
    for each in groupings:
        results += [(yield from _complete(each, name, plan))]
    return results


def _fill(
    groupings: Sequence[_Grouping], name: str, layout: CollectionLayout, plan: SearchPlan
) -> Flow[None]:
    pairs = [(each, value) for each in groupings for value in each.lacking()]
    if pairs:
        inside = [each.inside(value) for each, value in pairs]
        found = yield from settled(name, inside, layout, plan)
        for (each, value), hits in zip(pairs, found, strict=True):
            each.fill(value, hits)


def _complete(grouping: _Grouping, name: str, plan: SearchPlan) -> Flow[list[Group]]:
    hits = yield from filled(name, grouping.hits(), grouping.search, plan)
    return [group for group in grouping.groups(hits) if group.hits]
