"""What quality is measured on: documents, queries and judgements."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dataset:
    """Documents, queries and, where somebody judged them, which documents answer which query.

    Args:
        documents: Text of each document by its id.
        queries: Text of each query by its id.
        qrels: Relevance grade of documents by query id and document id, as in BEIR and TREC;
            empty where nothing was judged.
        name: What reports call this dataset.
    """

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    name: str = "dataset"
