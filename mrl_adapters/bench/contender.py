"""What a contender is: a way to store and search vectors, and what it needs for that."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from qdrant_client import models

from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.vectors import FloatArray


class Effort(NamedTuple):
    """How hard another library searches: its beam or lists (0: it has none), and candidates.

    As many as are ``wanted`` are left of the candidates by vectors that are more exact.
    """

    probes: int
    candidates: int
    wanted: int


Setting: TypeAlias = SearchPlan | models.SearchParams | Effort | int | None
"""How hard to search: a plan, the graph's parameters, a number of candidates, or no choice."""
Searcher: TypeAlias = Callable[[FloatArray, Setting], list[str]]
"""Find the ids of the nearest documents of one query of shape (d,), best first."""


class Batch(NamedTuple):
    """Documents to store: n ids, full vectors of shape (n, d), n texts."""

    ids: list[str]
    vectors: FloatArray
    texts: list[str]

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """What LangChain's stores keep beside a vector."""
        return [{"page_content": text, "metadata": {}} for text in self.texts]


class Contender(Protocol):
    """One way to store and search.

    Its process calls ``connect``, then ``load`` and ``build``; later ``connect`` and ``open``. What
    ``connect`` gives is the contender's own: nobody else calls more of it than its closing.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def ours(self) -> bool:
        """Whether it is a way to use this library."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules beyond this package's own that it imports."""
        ...

    @property
    def is_limited(self) -> bool:
        """Whether it is searched under memory limits, too.

        Stores of frameworks are not: the engine below them is limited in the same way.
        """
        ...

    def connect(self, folder: Path) -> AbstractContextManager[Any]:
        """Open the place of its documents, which closes at the end of a ``with`` block.

        Args:
            folder: Where an engine of this process keeps its files.
        """
        ...

    def load(self, client: Any, dimensions: int, batches: Iterator[Batch]) -> None:
        """Create the collection and store the documents, without building an index."""
        ...

    def build(self, client: Any) -> None:
        """Build the index over what was stored."""
        ...

    def open(self, client: Any, k: int) -> Searcher:
        """Make the function that searches the stored documents for k results."""
        ...

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """List the settings to try: chains of rising effort, and so of rising overlap."""
        ...


def identifier(row: int) -> str:
    """Name a document by its row, in a form that every store takes as it is."""
    return str(uuid.UUID(int=row + 1))


def row_of(name: str) -> int:
    """Return the row of a document's name."""
    return uuid.UUID(name).int - 1


def describe(setting: Setting) -> str:
    """Describe a setting in few words."""
    if setting is None:
        return "no choice"
    if isinstance(setting, int):
        return f"{setting} candidates"
    if isinstance(setting, Effort):
        probes = f"effort {setting.probes}, " if setting.probes else ""
        return f"{probes}{setting.candidates} candidates"
    parts = []
    if isinstance(setting, models.SearchParams):
        codes = setting.quantization
        parts.append(f"ef {setting.hnsw_ef}")
        if codes is not None:
            parts.append(f"{codes.oversampling:g} x k re-ranked")
    else:
        parts.append(f"{setting.min_candidates} candidates")
        if setting.hnsw_ef is not None:
            parts.append(f"ef {setting.hnsw_ef}")
    return ", ".join(parts)
