"""Measure what truncation costs; choose dimensions and search plans by numbers."""

from mrl_adapters.evaluation.applying import apply_recommendation
from mrl_adapters.evaluation.curve import curve
from mrl_adapters.evaluation.datasets import (
    Dataset,
    from_documents,
    load_beir,
    load_jsonl,
    load_qrels,
)
from mrl_adapters.evaluation.docstrings import docstring_dataset
from mrl_adapters.evaluation.metrics import mrr, ndcg_at_k, overlap_at_k, recall_at_k
from mrl_adapters.evaluation.plots import plot_curve, plot_tuning
from mrl_adapters.evaluation.recommend import recommend
from mrl_adapters.evaluation.recommendation import LayoutOption, Recommendation
from mrl_adapters.evaluation.recommendation_report import plot_recommendation, recommendation_table
from mrl_adapters.evaluation.results import CurveResult, TuningResult
from mrl_adapters.evaluation.searcher import OpenCollection
from mrl_adapters.evaluation.tables import curve_table, tuning_table
from mrl_adapters.evaluation.tuning import save_plan, tune
from mrl_adapters.evaluation.word_tuning import JudgedQuestions

__all__ = [
    "CurveResult",
    "Dataset",
    "JudgedQuestions",
    "LayoutOption",
    "OpenCollection",
    "Recommendation",
    "TuningResult",
    "apply_recommendation",
    "curve",
    "curve_table",
    "docstring_dataset",
    "from_documents",
    "load_beir",
    "load_jsonl",
    "load_qrels",
    "mrr",
    "ndcg_at_k",
    "overlap_at_k",
    "plot_curve",
    "plot_recommendation",
    "plot_tuning",
    "recall_at_k",
    "recommend",
    "recommendation_table",
    "save_plan",
    "tune",
    "tuning_table",
]
