"""What searches of a corpus found, and what they cost."""

from dataclasses import dataclass

from mrl_adapters.demo.settings import Setting
from mrl_adapters.evaluation.metrics import PerQuery


@dataclass(frozen=True)
class Found:
    """What one search found.

    Args:
        rows: Rows of the passages, best first.
        scores: Their scores as the search saw them.
        places: Their places in the full search, counted from 1; where scores are equal, the place
            that is nearest to the one here.
        latency_s: How long it took, without embedding.
    """

    rows: list[int]
    scores: list[float]
    places: list[int]
    latency_s: float


@dataclass(frozen=True)
class Answer:
    """One question's results, side by side.

    Args:
        short: By short codes only.
        two_stage: By short codes, re-ranked with the full vectors.
        full: By the full vectors.
        overlap_short: Share of the full search's results that short codes found.
        overlap_two_stage: The same of two-stage search.
    """

    short: Found
    two_stage: Found
    full: Found
    overlap_short: float
    overlap_two_stage: float


@dataclass(frozen=True)
class Judged:
    """A setting, judged by all sample questions.

    Args:
        short: overlap@10 of each question, by short codes only.
        two_stage: The same in two stages.
    """

    short: PerQuery
    two_stage: PerQuery


@dataclass(frozen=True)
class TradeOff:
    """What one way of searching costs and finds.

    Args:
        setting: The way; None compares all full vectors.
        bytes_per_vector: What a point takes in memory.
        latency_s: Median time of a search.
        overlap: Mean overlap@10 of the sample questions.
    """

    setting: Setting | None
    bytes_per_vector: float
    latency_s: float
    overlap: float
