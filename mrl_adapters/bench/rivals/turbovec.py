"""turbovec: a scan of 4-bit TurboQuant codes of the full vectors."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mrl_adapters.bench.contender import Effort
from mrl_adapters.bench.rivals.base import Gathered, Index, Rival
from mrl_adapters.vectors import FloatArray

_BITS = 4
_CALIBRATED_ON = 1024  # vectors, as its documentation has it


class _Turbovec(Gathered):
    def __init__(self, folder: Path, dimensions: int) -> None:
        super().__init__()
        self._file = str(folder / "index.turbovec")
        self._dimensions = dimensions
        self._index: Any = None

    def build(self) -> None:
        from turbovec import TurboQuantIndex

        vectors = self.gathered()
        sample = np.random.default_rng(0).permutation(len(vectors))[:_CALIBRATED_ON]
        index = TurboQuantIndex(self._dimensions, _BITS)
        index.calibrate(vectors[sample])
        index.add(vectors)
        index.write(self._file)

    def open(self) -> None:
        from turbovec import TurboQuantIndex

        self._index = TurboQuantIndex.load(self._file)
        self._index.prepare()

    def search(self, query: FloatArray, effort: Effort) -> NDArray[Any]:
        _, rows = self._index.search(query[None], effort.candidates)
        found: NDArray[Any] = rows[0].astype(np.int64)
        return found


class Turbovec(Rival):
    """``turbovec.TurboQuantIndex``, 4 bits, every code compared, re-ranked by the full vectors."""

    package: ClassVar[str] = "turbovec"
    module: ClassVar[str] = "turbovec"
    name: ClassVar[str] = "turbovec 4-bit scan, re-ranked"
    probes: ClassVar[tuple[int, ...]] = (0,)
    is_beam: ClassVar[bool] = False

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make its index."""
        return _Turbovec(folder, dimensions)
