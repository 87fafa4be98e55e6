"""What the collection's own engine answers: two stages, and hybrid where it finds words."""

import threading
import time
from functools import cached_property
from typing import get_args

from qdrant_client import models

from mrl_adapters.demo.corpus import Corpus
from mrl_adapters.demo.results import Found
from mrl_adapters.demo.scans import Scans
from mrl_adapters.demo.settings import K, Setting
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError
from mrl_adapters.qdrant import SearchPlan
from mrl_adapters.qdrant.ids import PointId
from mrl_adapters.qdrant.plan import Hybrid
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import FloatArray


class CollectionEngine:
    """The collection, asked itself; one question at a time.

    Args:
        corpus: The collection.
        scans: Tell the places that its hits have in the full search.
    """

    def __init__(self, corpus: Corpus, scans: Scans) -> None:
        self._corpus = corpus
        self._scans = scans
        self._asking = threading.Lock()

    def prepare(self) -> None:
        """Ask by every plan once, so that no graph is built while the page waits."""
        self._answers(None)
        _ = self.hybrids

    @cached_property
    def hybrids(self) -> tuple[Hybrid, ...]:
        """Hybrid plans that the collection answers, its own first; none where it finds no words."""
        own = self._corpus.store.collection.plan.searches
        known: tuple[Hybrid, ...] = get_args(Hybrid)
        wanted = sorted(known, key=lambda each: each != own)
        return tuple(each for each in wanted if self._answers(each))

    def ask(
        self,
        vector: FloatArray,
        setting: Setting,
        own: int = -1,
        *,
        text: str | None = None,
        hybrid: Hybrid | None = None,
    ) -> tuple[Found, SearchPlan]:
        """Search the collection itself, at the setting where it has that stage.

        Args:
            vector: The question's full vector, shape (d,).
            setting: The sliders.
            own: Row of the passage that the question was taken from, or -1.
            text: The question, whose words a hybrid plan looks for.
            hybrid: How words join; None searches by vectors alone.

        Returns:
            What its engine found and how long that took, and the plan that it searched by.
        """
        collection, driver = self._corpus.store.collection, self._corpus.store.driver
        plan = collection.plan.merge({"hybrid": hybrid})
        if setting.dimensions in self._corpus.layout.stages:
            plan = plan.merge(
                {
                    "stages": (setting.dimensions,),
                    "oversampling": 1.0,
                    "min_candidates": setting.candidates,
                }
            )
        itself = None
        if own >= 0:
            ids = [self._corpus.ids[own]]
            itself = models.Filter(must_not=[models.HasIdCondition(has_id=ids)])
        search = Search(vector, K, query_filter=itself, with_payload=False, text=text)
        with self._asking:
            began = time.perf_counter()
            hits = driver.run(collection.search([search], plan))[0]
            took = time.perf_counter() - began
        kept = [(self._rows[hit.id], hit.score) for hit in hits if hit.id in self._rows]
        rows = [row for row, _ in kept]
        places = self._scans.places(rows, vector, own)
        return Found(rows, [score for _, score in kept], places, took), plan

    def _answers(self, hybrid: Hybrid | None) -> bool:
        """Try a plan: whoever has the collection knows best what it can."""
        layout = self._corpus.layout
        asked = Setting(layout.dimensions, 32, K, rotated=False)
        questions = self._corpus.questions
        try:
            self.ask(questions.vectors[0], asked, text=questions.texts[0], hybrid=hybrid)
        except (CollectionMismatchError, ConfigurationError):
            return False
        return True

    @cached_property
    def _rows(self) -> dict[PointId, int]:
        return {point: row for row, point in enumerate(self._corpus.ids)}
