"""What both adapters were told is stored is so after close and reopen, and after a kill.

They write to one collection at the same time, each from a thread of its own.
"""

import contextlib
import math
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters

from mrl_adapters import langchain, llama_index
from mrl_adapters.errors import MRLError
from mrl_adapters.qdrant import CollectionLayout, EdgeClient

LAYOUT = CollectionLayout(4, (2,))

NUMBERS = st.sampled_from(
    [0, 1, -1.5, 2**53 + 1, 2**63 - 1, 2**63, 1.5e308, 5e-324, math.nan, math.inf, -math.inf]
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=3))


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = {"m": [value]}
    return value


VALUES = st.one_of(
    SCALARS, st.builds(nested, SCALARS, st.sampled_from([1, 40, 47, 48, 49, 50, 60, 2_000]))
)
METADATA = st.dictionaries(st.sampled_from(["n", "m", "a b"]), VALUES, max_size=2)
IDS = st.integers(1, 4).map(str)
ROWS = st.lists(st.floats(-2, 2, width=16), min_size=4, max_size=4)


class Embedding:
    """Gives each text the vector that it spells."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(each) for each in text.split()]


Operation = Callable[[langchain.MatryoshkaVectorStore, llama_index.MatryoshkaVectorStore], Any]


def added(identifier: str, row: list[float], metadata: dict[str, Any]) -> tuple[str, Operation]:
    text = " ".join(map(str, row))
    return "langchain", lambda chain, _: chain.add_texts([text], [metadata], ids=[identifier])


def node_added(
    identifier: str, row: list[float], metadata: dict[str, Any]
) -> tuple[str, Operation]:
    node = TextNode(id_=f"n{identifier}", text="text", metadata=metadata, embedding=row)
    return "llama_index", lambda _, index: index.add([node])


def conditions(value: Any, levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {"n": {"$gt": value}}
    for _ in range(levels):
        made = {"$and": [made, {"$not": {"a b": "none"}}]}
    return made


def deleted(value: Any, levels: int) -> tuple[str, Operation]:
    return "langchain", lambda chain, _: chain.delete(filter=conditions(value, levels))


def nodes_deleted(value: Any, levels: int) -> tuple[str, Operation]:
    chosen = MetadataFilters(
        filters=[MetadataFilter.model_construct(key="n", value=value, operator=FilterOperator.LT)]
    )
    for _ in range(levels):
        chosen = MetadataFilters.model_construct(filters=[chosen], condition="and")
    return "llama_index", lambda _, index: index.delete_nodes(filters=chosen)


LEVELS = st.sampled_from([0, 1, 15, 24, 30, 60, 2_000])
OPERATIONS = st.lists(
    st.one_of(
        st.builds(added, IDS, ROWS, METADATA),
        st.builds(node_added, IDS, ROWS, METADATA),
        st.builds(deleted, NUMBERS, LEVELS),
        st.builds(nodes_deleted, NUMBERS, LEVELS),
        IDS.map(lambda at: ("langchain", lambda chain, _: chain.delete([at]))),
        IDS.map(lambda at: ("llama_index", lambda _, index: index.delete_nodes([f"n{at}"]))),
    ),
    min_size=2,
    max_size=10,
)


def state(client: EdgeClient) -> list[dict[str, Any]]:
    return [each.model_dump() for each in client.scroll("docs", limit=100, with_vectors=True)[0]]


def holds(operations: list[tuple[str, Operation]]) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        with EdgeClient(root / "closed") as client:
            chain = langchain.MatryoshkaVectorStore(client, "docs", Embedding(), layout=LAYOUT)
            index = llama_index.MatryoshkaVectorStore(client=client, collection_name="docs")
            chain.add_texts(["1 2 3 4"], [{"n": 1}], ids=["first"])

            def work(adapter: str) -> None:
                for name, operation in operations:
                    if name == adapter:
                        # Refused in words, or as LlamaIndex and pydantic refuse what they are given
                        with contextlib.suppress(MRLError, ValueError):
                            operation(chain, index)

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(work, ("langchain", "llama_index")))
            # A copy of the files is what a killed process leaves: the engine maps them.
            shutil.copytree(root / "closed", root / "killed")
            before = state(client)
        for folder in ("closed", "killed"):
            with EdgeClient(root / folder) as client:
                assert state(client) == before, folder
    finally:
        shutil.rmtree(root)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of vectors of zeros
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPERATIONS)
def test_what_both_adapters_stored_is_read_back_from_the_log(
    operations: list[tuple[str, Operation]],
) -> None:
    holds(operations)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPERATIONS)
def test_what_both_adapters_stored_is_read_back_from_the_log_in_many_draws(
    operations: list[tuple[str, Operation]],
) -> None:
    holds(operations)
