"""A measured curve and how it is shown: table, JSON, picture."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Search: TypeAlias = Literal["one-stage", "two-stage"]


@dataclass(frozen=True)
class CurveRow:
    """The quality of one way to search.

    Args:
        dimensions: Size of the vectors that are compared with the query first.
        search: ``one-stage`` ranks by them; ``two-stage`` re-ranks the best of them with the
            full vectors.
        rotated: Whether a learnt rotation came before the cut.
        bytes_per_vector: What the first stage reads of each document, as float32.
        overlap: Mean overlap@k with the exact full ranking, from 0 to 1.
        ndcg: Mean nDCG@k against the judgements; None without judgements.
        recall: Mean recall@k against the judgements; None without judgements.
        retained: ``ndcg`` as a share of the full vectors' nDCG; None without judgements, or
            where the full vectors found nothing relevant.
    """

    dimensions: int
    search: Search
    rotated: bool
    bytes_per_vector: int
    overlap: float
    ndcg: float | None = None
    recall: float | None = None
    retained: float | None = None


@dataclass(frozen=True)
class CurveResult:
    """A measured curve, its rows from the full size downwards.

    Args:
        dataset: Name of the dataset.
        model: Name of the embedding model, None if it has none.
        documents: How many documents were searched.
        queries: How many queries were asked.
        k: Results a query.
        oversampling: Two-stage search re-ranked ``oversampling * k`` candidates.
        dimensions: Size of the full vectors.
        rows: One-stage search with the full vectors first; then each size.
    """

    dataset: str
    model: str | None
    documents: int
    queries: int
    k: int
    oversampling: float
    dimensions: int
    rows: tuple[CurveRow, ...]

    @property
    def judged(self) -> bool:
        """Tell whether there were judgements, and so nDCG and recall."""
        return self.rows[0].ndcg is not None

    @property
    def title(self) -> str:
        """Say in one line what was measured."""
        return (
            f"{self.model or 'unnamed model'} on {self.dataset}: {self.documents:,} documents, "
            f"{self.queries:,} queries"
        )

    def to_markdown(self) -> str:
        """Render the rows as a table under one line that says what was measured."""
        names = ["dimensions", "search", "bytes per vector"]
        if self.judged:
            names += [f"nDCG@{self.k}", "retained", f"recall@{self.k}"]
        names.append(f"overlap@{self.k}")
        stages = (
            f"two-stage re-ranks {self.oversampling:g} x {self.k} candidates with all "
            f"{self.dimensions} dimensions"
        )
        lines = [
            f"{self.title}; {stages}.",
            "",
            f"| {' | '.join(names)} |",
            f"|---:|---|{'---:|' * (len(names) - 2)}",
        ]
        lines += [f"| {' | '.join(self._cells(row))} |" for row in self.rows]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """Render everything as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def plot(self, path: str | Path) -> Path:
        """Draw the curve.

        Args:
            path: Where to; the suffix (.png, .svg, .pdf) chooses the format.

        Returns:
            The path.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from mrl_adapters.evaluation.plots import plot_curve

        return plot_curve(self, Path(path))

    def _cells(self, row: CurveRow) -> Iterator[str]:
        yield str(row.dimensions)
        yield f"{row.search}, rotated" if row.rotated else row.search
        yield f"{row.bytes_per_vector:,}"
        if row.ndcg is not None and row.recall is not None:
            yield f"{row.ndcg:.3f}"
            yield "-" if row.retained is None else f"{row.retained:.1%}"
            yield f"{row.recall:.3f}"
        yield f"{row.overlap:.3f}"
