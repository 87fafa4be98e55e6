"""Judge layouts by questions whose answers are known, beside their overlap with the exact search.

The documents that answer the questions are part of every sample that is built.
"""

import numpy as np

from mrl_adapters.evaluation.layout_bench import LayoutBench, Measured
from mrl_adapters.evaluation.metrics import ndcg_at_k, recall_at_k
from mrl_adapters.evaluation.recommendation import Judged
from mrl_adapters.evaluation.word_tuning import AskedQuestions


def judged_by(bench: LayoutBench, one: Measured) -> Judged | None:
    """Ask the judged questions of one layout by its plan; None where there are none.

    Args:
        bench: Has the questions.
        one: The layout, as it was built or as it is.
    """
    judged = bench.sample.judged_in_store if one.option.built else bench.sample.judged
    if judged is None:
        return None
    names = list(judged.texts)
    vectors = np.asarray(judged.vectors, dtype=np.float32)
    asked = AskedQuestions(one.searcher.store, names, judged, vectors, one.searcher.k)
    rankings, qrels = asked.ranked(one.option.trial.plan, range(len(names)))
    ndcg, recall = (
        float(measure(rankings, qrels, one.searcher.k).mean())
        for measure in (ndcg_at_k, recall_at_k)
    )
    return Judged(ndcg, recall, len(names))
