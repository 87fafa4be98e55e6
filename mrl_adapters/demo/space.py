"""The vectors of a corpus, cut and encoded as a setting asks, to be searched by products."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from mrl_adapters import registry
from mrl_adapters.demo.codes import Coded, encode
from mrl_adapters.demo.kept import Kept
from mrl_adapters.demo.settings import Setting
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.points import derive
from mrl_adapters.vectors import FloatArray, Rotation, normalize

_HELD_BYTES = 2**30  # short vectors kept for the next move of a slider
_STEPS = 16  # sizes to choose from where a model allows any
_LEAST = 8  # dimensions
_FITTED = 10_000  # passages that a rotation is learnt from


class Space:
    """The vectors of a corpus.

    Args:
        full: Full vectors, shape (n, d).
        layout: How the collection is laid out.
    """

    def __init__(self, full: FloatArray, layout: CollectionLayout) -> None:
        self._layout = layout
        self._stored = full
        self._compared = normalize(full) if self._unit else full
        self._coded = Kept[Coded](lambda coded: coded.documents.nbytes, _HELD_BYTES)
        self.full: FloatArray = self._searchable(self._compared)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Sizes that the model allows, smallest first, the full one last."""
        layout = self._layout
        full = layout.dimensions
        spec = registry.find(layout.model or "")
        if layout.reduction in {"heads", "projection"} and not isinstance(
            layout.rotation, Rotation
        ):
            return (full,)
        if spec is not None and spec.nested and not spec.any_size:
            sizes = {*spec.nested}
        else:
            step = max(_LEAST, full // _STEPS)
            sizes = {*range(step, full, step), *(spec.nested if spec else ())}
        return tuple(sorted({size for size in (*sizes, *layout.stages) if size < full} | {full}))

    @cached_property
    def rotation(self) -> Rotation | None:
        """The collection's rotation, or one learnt from its passages; None for too few."""
        layout = self._layout
        below = [size for size in self.sizes if size < layout.dimensions]
        if not below:
            return None
        if isinstance(layout.rotation, Rotation) and layout.rotation.dimensions >= below[-1]:
            return layout.rotation
        if len(self._stored) < layout.dimensions:
            return None
        return Rotation.fit(self._stored, below[-1], limit=_FITTED)

    def _laid(self, setting: Setting) -> CollectionLayout:
        """Lay the corpus out as the setting asks."""
        rotation = self.rotation if setting.rotated else None
        return replace(self._layout, stages=(setting.dimensions,), rotation=rotation, model=None)

    def _cut(self, vectors: FloatArray, setting: Setting) -> FloatArray:
        """Derive short vectors, as a collection of the setting's layout would hold them."""
        if setting.dimensions == self._layout.dimensions:
            return normalize(vectors) if self._unit else vectors
        laid = self._laid(setting)
        return derive(vectors, laid)[laid.stage_name(setting.dimensions)]

    def codes(self, setting: Setting) -> tuple[int, int, bool]:
        """Name the codes of a setting: the length of the shortlist does not change them.

        Args:
            setting: Size, bits and rotation, which full vectors have none of.
        """
        rotated = setting.rotated and setting.dimensions < self._layout.dimensions
        return setting.dimensions, setting.bits, rotated

    def coded(self, setting: Setting) -> Coded:
        """Return the codes of a setting, computed where they are not held.

        Args:
            setting: Size, bits and rotation.
        """
        return self._coded.get(self.codes(setting), lambda: self._encoded(setting))

    def _encoded(self, setting: Setting) -> Coded:
        whole = setting.dimensions == self._layout.dimensions
        cut = self._compared if whole else self._cut(self._stored, setting)
        coded = encode(cut, setting.bits)
        return replace(coded, documents=self._searchable(coded.documents))

    def coded_questions(self, vectors: FloatArray, setting: Setting) -> FloatArray:
        """Bring full vectors of questions to what a setting's codes are compared with.

        Args:
            vectors: Shape (m, d).
            setting: Size, bits and rotation.
        """
        return self._with_one(self.coded(setting).questions(self._cut(vectors, setting)))

    def questions(self, vectors: FloatArray) -> FloatArray:
        """Bring full vectors of questions to what the full vectors are compared with.

        Args:
            vectors: Shape (m, d).
        """
        return self._with_one(normalize(vectors) if self._unit else vectors)

    def _searchable(self, documents: FloatArray) -> FloatArray:
        """Prepare for search by inner products: of Euclid's distance what a question changes."""
        if self._layout.distance != "Euclid":
            return documents
        squares = np.einsum("nd,nd->n", documents, documents)
        return np.column_stack([2 * documents, -squares])

    def _with_one(self, questions: FloatArray) -> FloatArray:
        """Let a question meet the squares that Euclid's documents carry."""
        if self._layout.distance != "Euclid":
            return questions
        return np.column_stack([questions, np.ones(len(questions), dtype=np.float32)])

    @property
    def _unit(self) -> bool:
        return self._layout.distance == "Cosine"
