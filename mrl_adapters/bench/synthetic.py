"""Nested vectors of any number, made block by block, that behave as published models do."""

from collections.abc import Iterator

import numpy as np

from mrl_adapters.vectors import FloatArray, normalize

# How component i shrinks: i ** -0.35. Half of 3,072 dimensions then keeps 89.5 % of the exact
# top 10, as Supabase published for 975,000 vectors of text-embedding-3-large.
# Source: https://supabase.com/blog/matryoshka-embeddings
_DECAY = -0.35
# Neighbours are neighbours by topic first. Few texts to a topic make ten neighbours easy to
# tell from the rest, many make it hard; these two are what the published figure needs.
_TEXTS_A_TOPIC = 125
_SPREAD = 1.2  # of a topic's texts, as a multiple of the spread of the topics
_BLOCK = 4096


def nested_vectors(
    count: int, dimensions: int, *, topics: int, seed: int = 0
) -> Iterator[FloatArray]:
    """Draw unit vectors whose leading numbers matter most, in blocks of bounded size.

    Yields:
        Blocks of float32, shape (at most 4,096, dimensions).
    """
    scale = (np.arange(1, dimensions + 1) ** _DECAY).astype(np.float32)
    drawn = np.random.default_rng(seed)
    centres = drawn.standard_normal((topics, dimensions), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        # Whole blocks are drawn, so that a longer set begins with a shorter one.
        chosen = drawn.integers(topics, size=_BLOCK)
        block = drawn.standard_normal((_BLOCK, dimensions), dtype=np.float32)
        block *= _SPREAD
        block += centres[chosen]
        block *= scale
        yield normalize(block[: count - start])


def topics_of(count: int) -> int:
    """Count the topics of so many texts: about a hundred texts each."""
    return max(1, count // _TEXTS_A_TOPIC)
