"""What the page is told: searches and measurements in plain values."""

from typing import Any

import numpy as np

from mrl_adapters.demo.charts import curve_chart, frontier_chart, questions_chart
from mrl_adapters.demo.codes import NAMES, bytes_per_vector
from mrl_adapters.demo.kept import Kept
from mrl_adapters.demo.plotly_figures import Chart
from mrl_adapters.demo.results import Found
from mrl_adapters.demo.settings import CANDIDATES, K, Setting, as_code
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.embeddings.embedder import as_embedder
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation import CurveResult, Dataset, curve
from mrl_adapters.qdrant.plan import Hybrid
from mrl_adapters.vectors import FloatArray

_HARMED = 8  # questions that are listed


class View:
    """A workbench as the page sees it; settings are checked here.

    Args:
        workbench: What computes.
    """

    def __init__(self, workbench: Workbench) -> None:
        self.workbench = workbench
        self._curve = Kept[CurveResult]()
        self._frontiers = Kept[Chart]()

    def answer(self, question: str, sample: int | None, setting: Setting) -> dict[str, Any]:
        """Search with one question.

        Args:
            question: What is asked.
            sample: Which of the sample questions it is; None if it was typed.
            setting: The sliders.
        """
        self._check(setting)
        vector, own = self._asked(question, sample)
        answer = self.workbench.scans.answer(vector, setting, own)
        return {
            "overlap_short": answer.overlap_short,
            "overlap_two_stage": answer.overlap_two_stage,
            **{
                name: self._column(getattr(answer, name)) for name in ("short", "two_stage", "full")
            },
        }

    def collection(self, question: str, sample: int | None, setting: Setting) -> dict[str, Any]:
        """Search the collection's own engine with one question, by vectors alone."""
        return self._engine(question, sample, setting, None)

    def hybrid(
        self, question: str, sample: int | None, setting: Setting, how: str
    ) -> dict[str, Any]:
        """Search the collection's own engine with one question and its words.

        Args:
            question: What is asked.
            sample: Which of the sample questions it is; None if it was typed.
            setting: The sliders.
            how: The hybrid plan.
        """
        offered = self.workbench.engine.hybrids
        for each in offered:
            if each == how:
                return self._engine(question, sample, setting, each)
        msg = f"The plan is {how[:40]!r}, expected one of {', '.join(offered)}."
        if not offered:
            msg = "This collection finds no words: it has no text index. Ask without a plan."
        raise ConfigurationError(msg, found=how, expected=offered)

    def _engine(
        self, question: str, sample: int | None, setting: Setting, how: Hybrid | None
    ) -> dict[str, Any]:
        self._check(setting)
        vector, own = self._asked(question, sample)
        engine = self.workbench.engine
        found, plan = engine.ask(vector, setting, own, text=question, hybrid=how)
        at = setting.dimensions in self.workbench.corpus.layout.stages
        stages = plan.stages or self.workbench.corpus.layout.stages[-1:]
        by = f"stage {', '.join(map(str, stages))}" if stages else "its own graph"
        words_alone = how == "lexical"
        return {
            "how": "words alone" if words_alone else f"{by}, {plan.candidates(K)} candidates",
            "at_setting": at or words_alone,
            **self._column(found),
        }

    def setting(self, setting: Setting) -> dict[str, Any]:
        """Judge a setting by all sample questions."""
        self._check(setting)
        bench = self.workbench
        judged = bench.sample.judge(setting)
        corpus = bench.corpus
        each = bytes_per_vector(setting.dimensions, setting.bits)
        worst = np.lexsort((judged.short, judged.two_stage))[:_HARMED]
        return {
            "overlap_short": float(judged.short.mean()),
            "overlap_two_stage": float(judged.two_stage.mean()),
            "questions": len(judged.short),
            "chart": questions_chart(judged),
            "bytes": each,
            "full_bytes": corpus.layout.dimensions * 4,
            "points": len(corpus.ids),
            "bits": NAMES[setting.bits],
            "harmed": [
                {
                    "sample": row,
                    "question": corpus.questions.texts[row],
                    "short": float(judged.short[row]),
                    "two_stage": float(judged.two_stage[row]),
                }
                for row in worst.tolist()
                if judged.short[row] < 1
            ],
            "code": as_code(setting, corpus.layout, K),
        }

    def curve(self) -> dict[str, Any]:
        """Measure retention along the sizes, once."""
        measured = self._curve.get("curve", self.measured_curve)
        return {
            "chart": curve_chart(measured),
            "title": measured.title,
            "oversampling": measured.oversampling,
        }

    def measured_curve(self, oversampling: float = 8.0) -> CurveResult:
        """Measure retention along the sizes, of the vectors that are held.

        Args:
            oversampling: Two-stage search re-ranks so many times ten candidates.
        """
        corpus = self.workbench.corpus
        questions = corpus.questions
        # A question taken from a passage has its key: it must not find itself.
        keys = [
            str(own) if own >= 0 else f"question {number}"
            for number, own in enumerate(questions.own.tolist())
        ]
        held = dict(zip(keys, questions.vectors, strict=True))
        dataset = Dataset(
            {str(row): str(row) for row in range(len(corpus.ids))},
            {key: key for key in keys},
            name=corpus.name,
        )
        return curve(
            as_embedder(_Held(corpus.full, held, corpus.layout.model)),
            dataset,
            self.workbench.space.sizes,
            k=K,
            oversampling=oversampling,
            rotation=self.workbench.space.rotation,
        )

    def frontier(self, setting: Setting) -> dict[str, Any]:
        """Weigh memory against latency, once with a rotation and once without."""
        self._check(setting)
        return {"chart": self._frontiers.get(setting.rotated, lambda: self._weighed(setting))}

    def _weighed(self, setting: Setting) -> Chart:
        trade_offs = self.workbench.trade_off(rotated=setting.rotated)
        return frontier_chart(trade_offs, len(self.workbench.corpus.ids))

    def _asked(self, question: str, sample: int | None) -> tuple[FloatArray, int]:
        if sample is None:
            return self.workbench.vector(question), -1
        questions = self.workbench.corpus.questions
        if sample >= len(questions.texts):
            msg = f"There are {len(questions.texts)} sample questions, number {sample} is asked."
            raise ConfigurationError(msg)
        return questions.vectors[sample], int(questions.own[sample])

    def _column(self, found: Found) -> dict[str, Any]:
        passages = self.workbench.corpus.passages
        return {
            "latency_ms": 1000 * found.latency_s,
            "hits": [
                {
                    "title": passages[row].title,
                    "snippet": passages[row].snippet,
                    "row": row,
                    "score": score,
                    "place": place,
                }
                for row, score, place in zip(found.rows, found.scores, found.places, strict=True)
            ],
        }

    def _check(self, setting: Setting) -> None:
        """Refuse what no slider can say."""
        bench = self.workbench
        offered = {
            "dimensions": (setting.dimensions, bench.space.sizes),
            "bits": (setting.bits, tuple(NAMES)),
            "candidates": (setting.candidates, CANDIDATES),
        }
        for name, (value, allowed) in offered.items():
            if value not in allowed:
                msg = f"{name} is {value}, expected one of {', '.join(map(str, allowed))}."
                raise ConfigurationError(msg, found=value, expected=allowed)
        if setting.rotated and bench.space.rotation is None:
            msg = (
                f"A rotation is learnt from at least {bench.corpus.layout.dimensions} passages; "
                f"this collection has {len(bench.corpus.ids)}. Switch the rotation off."
            )
            raise ConfigurationError(msg)


class _Held:
    """An embedder of vectors that are known: documents in their order, questions by their keys."""

    def __init__(
        self, documents: FloatArray, questions: dict[str, FloatArray], model: str | None
    ) -> None:
        self._documents = documents
        self._questions = questions
        self.model = model

    def embed_documents(self, texts: list[str]) -> Any:
        return self._documents[int(texts[0]) : int(texts[-1]) + 1]

    def embed_query(self, text: str) -> Any:
        return self._questions[text]
