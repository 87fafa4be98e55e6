"""BM25's weights of words, as the engine computes them: no server, no model, no download.

A server's own inference of "qdrant/bm25" gives the same numbers to the same words.
"""

import qdrant_edge as edge
from qdrant_client import models

from mrl_adapters.edge.info import edge_parts
from mrl_adapters.errors import ConfigurationError


class WordWeights:
    """Turns texts into sparse vectors whose products are BM25 scores, but for how rare words are.

    How rare they are the collection multiplies in, where the vector has the modifier "idf".

    Args:
        config: How texts are cut into words, and what their number and a text's length count.

    Raises:
        ConfigurationError: A number is outside its range.

    Source: https://qdrant.tech/documentation/concepts/inference/#bm25
    """

    def __init__(self, config: models.Bm25Config) -> None:
        try:
            self._model = edge.Bm25(edge.Bm25Config(**edge_parts(config)))
        except ValueError as error:
            msg = f"{error}."
            raise ConfigurationError(msg, found=config) from error

    def embed_documents(self, texts: list[str]) -> list[models.SparseVector]:
        """Weigh the words of texts that are stored."""
        return [_plain(self._model.embed_document(text)) for text in texts]

    def embed_query(self, text: str) -> models.SparseVector:
        """Weigh the words of a question: each once."""
        return _plain(self._model.embed_query(text))


def _plain(vector: edge.SparseVector) -> models.SparseVector:
    return models.SparseVector.model_construct(indices=vector.indices, values=vector.values)
