"""Which model made a vector: LlamaIndex hands its stores vectors without their model's name."""

import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding

from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.qdrant import MatryoshkaCollection
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.mismatches import check_model

# Enough for what lies between embedding and storing the same nodes. Where more are embedded
# before the first is stored, the last of them are still known, and one says it for all.
_REMEMBERED = 8192

_Mark: TypeAlias = tuple[int, float, float, float]


class _Memory:
    """The models of the vectors that this process made last.

    LlamaIndex copies the lists on their way, so that only their numbers tell them apart: three
    of them and the size. Of two models that made the same vector the last counts: a wrapper that
    gives the inner model's vectors a name of its own.
    """

    def __init__(self) -> None:
        self._models: dict[_Mark, str] = {}
        self._lock = threading.Lock()

    def keep(self, model: str, vectors: Iterable[Sequence[float]]) -> None:
        with self._lock:
            for vector in vectors:
                if (mark := _mark(vector)) is not None:
                    self._models.pop(mark, None)  # the newest last
                    self._models[mark] = model
            surplus = max(len(self._models) - _REMEMBERED, 0)
            for mark in list(itertools.islice(self._models, surplus)):
                del self._models[mark]

    def models_of(self, vectors: Iterable[Sequence[float] | None]) -> list[str]:
        marks = (_mark(vector) for vector in vectors if vector is not None)
        return sorted({model for mark in marks if mark and (model := self._models.get(mark))})


def _mark(vector: Sequence[float]) -> _Mark | None:
    if not len(vector):
        return None
    numbers = vector[0], vector[len(vector) // 2], vector[-1]
    return (len(vector), *numbers) if any(numbers) else None


_memory = _Memory()


def made_by(embed_model: BaseEmbedding, vectors: list[Embedding]) -> list[Embedding]:
    """Remember which model made vectors, where it has a name, and return them."""
    if model := model_name(embed_model):
        _memory.keep(model, vectors)
    return vectors


def check_models(
    collection: MatryoshkaCollection,
    vectors: Iterable[Sequence[float] | None],
    *,
    learn: bool = False,
) -> Flow[None]:
    """Compare the models that made vectors, as far as they are known, with the collection's.

    With ``learn`` a collection that is not there yet takes their model's name.

    Raises:
        CollectionMismatchError: They are of another model, or of several. Nothing was written.
    """
    for model in _memory.models_of(vectors):
        if learn:
            collection.learn_model(model)
        layout = yield from collection.open()
        check_model(collection.name, model, layout.model if layout else collection.model)
