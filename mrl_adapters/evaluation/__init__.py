"""Measure what truncation costs; choose dimensions and search plans by numbers."""

from mrl_adapters.evaluation.bound import lower_bound, queries_needed
from mrl_adapters.evaluation.curve import curve
from mrl_adapters.evaluation.curve_result import CurveResult, CurveRow
from mrl_adapters.evaluation.datasets import (
    Dataset,
    from_documents,
    load_beir,
    load_jsonl,
    load_qrels,
)
from mrl_adapters.evaluation.docstrings import Docstring, docstring_dataset, docstrings
from mrl_adapters.evaluation.exact import Neighbours, exact_search, rescore
from mrl_adapters.evaluation.metrics import mrr, ndcg_at_k, overlap_at_k, recall_at_k
from mrl_adapters.evaluation.probe import OpenCollection
from mrl_adapters.evaluation.report import Trial, TuningResult, pareto_front
from mrl_adapters.evaluation.tuning import save_plan, tune
from mrl_adapters.evaluation.unbuilt import StageEstimate

__all__ = [
    "CurveResult",
    "CurveRow",
    "Dataset",
    "Docstring",
    "Neighbours",
    "OpenCollection",
    "StageEstimate",
    "Trial",
    "TuningResult",
    "curve",
    "docstring_dataset",
    "docstrings",
    "exact_search",
    "from_documents",
    "load_beir",
    "load_jsonl",
    "load_qrels",
    "lower_bound",
    "mrr",
    "ndcg_at_k",
    "overlap_at_k",
    "pareto_front",
    "queries_needed",
    "recall_at_k",
    "rescore",
    "save_plan",
    "tune",
]
