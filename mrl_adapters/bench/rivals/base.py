"""What all rivals share: their vectors in a file, candidates ranked by them, and the protocol."""

import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from mrl_adapters.bench.contender import Batch, Effort, Searcher, Setting, identifier, row_of
from mrl_adapters.vectors import FloatArray

BEAMS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
NOT_REFINED = (1,)
REFINED = (1, 2, 4, 8)  # by the package itself, which has its own full vectors at hand
FACTORS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
_VECTORS = "vectors.f32"
_SIZE = "dimensions"


class Index(Protocol):
    """What a rival's class does with its package; it makes and opens files of its own."""

    def add(self, first: int, vectors: FloatArray) -> None:
        """Take in vectors of shape (n, d), rows from ``first`` on."""
        ...

    def build(self) -> None:
        """Build what is searched, and write it down."""
        ...

    def open(self) -> None:
        """Open what was written."""
        ...

    def search(self, query: FloatArray, effort: Effort) -> Sequence[int] | NDArray[Any]:
        """Return the rows of ``effort.candidates`` vectors near to a query.

        Where the package ranks them again by itself, the best ``effort.wanted`` of them.
        """
        ...


class Gathered:
    """Takes in all vectors, for packages that build over the whole of them."""

    def __init__(self) -> None:
        self._added: list[FloatArray] = []

    def add(self, first: int, vectors: FloatArray) -> None:
        """Take in vectors of shape (n, d), in their order."""
        del first
        self._added.append(vectors)

    def gathered(self) -> FloatArray:
        """Return all of them, shape (n, d)."""
        return np.concatenate(self._added)


class Store:
    """A rival's files, and its index as far as one was begun or opened."""

    def __init__(self, folder: Path, rival: "Rival") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.rival = rival
        self.index: Index | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def begin(self, dimensions: int) -> Index:
        """Make an empty index."""
        self.index = self.rival.make(self.folder, dimensions)
        return self.index

    def open(self) -> Index:
        """Open the index that was built."""
        self.index = self.rival.make(self.folder, self.dimensions)
        self.index.open()
        return self.index

    @property
    def dimensions(self) -> int:
        """Size of the full vectors."""
        return int((self.folder / _SIZE).read_text(encoding="utf-8"))

    def vectors(self) -> NDArray[np.float32]:
        """Map the full vectors that were kept."""
        mapped: NDArray[np.float32] = np.memmap(self.folder / _VECTORS, np.float32, mode="r")
        return mapped.reshape(-1, self.dimensions)

    def append(self, vectors: FloatArray, *, keep: bool) -> None:
        """Note the size of full vectors of shape (n, d), and keep them where that is asked for."""
        (self.folder / _SIZE).write_text(str(vectors.shape[1]), encoding="utf-8")
        if not keep:
            return
        with (self.folder / _VECTORS).open("ab") as file:
            vectors.astype(np.float32).tofile(file)

    def close(self) -> None:
        """Let go of the index."""
        self.index = None


class Rival:
    """Another library that users would take instead, with settings that suit it."""

    ours: ClassVar[bool] = False
    is_limited: ClassVar[bool] = True
    package: ClassVar[str]
    """What pip installs."""
    module: ClassVar[str]
    name: ClassVar[str]
    probes: ClassVar[tuple[int, ...]] = BEAMS
    """Efforts of its graph or lists, rising."""
    factors: ClassVar[tuple[int, ...]] = FACTORS
    """Candidates to try, as multiples of the results wanted."""
    is_beam: ClassVar[bool] = True
    """Whether an effort is the width of a beam, which must hold all candidates."""
    reranked: ClassVar[bool] = True
    """Whether candidates of codes or short vectors are ranked by full vectors in a file that is
    mapped; otherwise its own order counts, and no such file is written."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The module that it imports."""
        return (self.module,)

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        return find_spec(self.module) is not None

    def make(self, folder: Path, dimensions: int) -> Index:
        """Make the object that adds, builds, opens and searches in a folder."""
        raise NotImplementedError

    def connect(self, folder: Path) -> Store:
        """Open a folder."""
        return Store(folder, self)

    def load(self, client: Store, dimensions: int, batches: Iterator[Batch]) -> None:
        """Store the documents: full vectors in a file, where they are ranked by them."""
        index = client.begin(dimensions)
        for batch in batches:
            client.append(batch.vectors, keep=self.reranked)
            index.add(row_of(batch.ids[0]), batch.vectors)

    def build(self, client: Store) -> None:
        """Build the index over all that was added."""
        assert client.index is not None  # noqa: S101 - loaded
        client.index.build()

    def open(self, client: Store, k: int) -> Searcher:
        """Make the searching function."""
        index = client.open()
        vectors = client.vectors() if self.reranked else None

        def search(query: FloatArray, setting: Setting) -> list[str]:
            assert isinstance(setting, Effort)  # noqa: S101 - our own chains
            rows = np.asarray(index.search(query, setting), dtype=np.int64)
            if vectors is not None:
                scores = vectors[rows] @ query
                rows = rows[np.argsort(-scores, kind="stable")]
            return [identifier(int(row)) for row in rows[:k]]

        return search

    def chains(self, dimensions: int, k: int, points: int) -> Sequence[Sequence[Setting]]:
        """Try each number of candidates with rising efforts, as far as it ranks them again."""
        del dimensions
        lengths = sorted({min(k * factor, points) for factor in self.factors})
        return [
            [
                Effort(probe, length, k)
                for probe in self.probes
                if not self.is_beam or probe >= length
            ]
            for length in lengths
        ]


def emptied(folder: Path) -> Path:
    """Make a folder anew for a package that wants none to be there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
