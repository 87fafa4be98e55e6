"""Turn scores into LangChain's relevance: 0 is dissimilar, 1 is most similar."""

from mrl_adapters.qdrant import CollectionLayout


def relevance(score: float, layout: CollectionLayout | None) -> float:
    """Map a score into [0, 1], keeping the order of the hits.

    Args:
        score: Qdrant's score: a similarity under Cosine and Dot, a distance otherwise.
        layout: The collection's layout; None is taken for Cosine.

    Returns:
        Cosine: (1 + score) / 2. Dot, which has no bounds: (1 + score / (1 + abs(score))) / 2.
        Euclid and Manhattan: 1 / (1 + distance).
    """
    distance = layout.distance if layout else "Cosine"
    if distance == "Cosine":
        # float16 vectors can score a hair above 1.
        return min(1.0, max(0.0, (1.0 + score) / 2.0))
    if distance == "Dot":
        return (1.0 + score / (1.0 + abs(score))) / 2.0
    return 1.0 / (1.0 + score)
