"""A corpus with everything that the page asks of it: scans in memory, and its own engine."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from mrl_adapters.demo.codes import BITS
from mrl_adapters.demo.corpus import Corpus
from mrl_adapters.demo.engine import CollectionEngine
from mrl_adapters.demo.results import TradeOff
from mrl_adapters.demo.sample import Sample
from mrl_adapters.demo.scans import Scans
from mrl_adapters.demo.settings import CANDIDATES, K, Setting
from mrl_adapters.demo.space import Space
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.vectors import FloatArray, Rotation


class Workbench:
    """A corpus with all that is computed of it once.

    Args:
        corpus: What is searched.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.space: Space = Space(corpus.full, corpus.layout)
        self.scans: Scans = Scans(self.space, euclid=corpus.layout.distance == "Euclid")
        self.sample: Sample = Sample(self.space, corpus.questions, self.scans)
        self.engine: CollectionEngine = CollectionEngine(corpus, self.scans)
        self._vectors: dict[str, FloatArray] = {}

    @cached_property
    def start(self) -> Setting:
        """The setting that the page opens with: the collection's own, as far as it can be shown."""
        layout = self.corpus.layout
        size = layout.stages[-1] if layout.stages else self.space.sizes[len(self.space.sizes) // 2]
        candidates = self.corpus.store.collection.plan.candidates(K)
        return Setting(
            dimensions=size,
            bits=8 if layout.quantization else 32,
            candidates=min(CANDIDATES, key=lambda each: abs(each - candidates)),
            rotated=isinstance(layout.rotation, Rotation),
        )

    def settings(self) -> Iterator[Setting]:
        """List every size and number of bits, those near the start first."""
        start = self.start
        rotations = [start.rotated]
        if self.space.rotation is not None:
            rotations.append(not start.rotated)
        for rotated in rotations:
            for bits in sorted(BITS, key=lambda each: each != start.bits):
                for size in sorted(self.space.sizes, key=lambda each: each != start.dimensions):
                    yield replace(start, dimensions=size, bits=bits, rotated=rotated)

    def vector(self, question: str) -> FloatArray:
        """Embed a question; one that was asked before costs nothing.

        Args:
            question: What is asked.
        """
        if question not in self._vectors:
            found = np.asarray(self.corpus.embedder.embed_query(question), dtype=np.float32)
            self._vectors[question] = found
        return self._vectors[question]

    def trade_off(self, *, rotated: bool) -> list[TradeOff]:
        """Weigh memory against latency: see :meth:`Sample.trade_off`.

        Args:
            rotated: Whether short vectors are cut from rotated ones.
        """
        settings = [each for each in self.settings() if each.rotated == rotated]
        return self.sample.trade_off(settings, self.corpus.layout.dimensions)

    def warm(
        self, stopped: Callable[[], bool], *, progress: ProgressCallback | None = None
    ) -> None:
        """Prepare every setting, so that a slider's first move is as quick as its second.

        Args:
            stopped: Asked before each setting: true ends it.
            progress: Called with a Progress after each.
        """
        settings = list(self.settings())
        meter = Meter("preparing the sliders", len(settings), progress)
        for number, setting in enumerate(settings, 1):
            if stopped():
                return
            self.sample.prepare(setting)
            meter.reach(number)
