"""Measure what truncation costs and choose dimensions and plans by numbers."""

from mrl_adapters.evaluation.datasets import Dataset
from mrl_adapters.evaluation.docstrings import Docstring, docstring_dataset, docstrings

__all__ = ["Dataset", "Docstring", "docstring_dataset", "docstrings"]
