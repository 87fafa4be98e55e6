"""The frameworks' own Qdrant stores run on EdgeClient."""

import runpy
import uuid
from pathlib import Path

import langchain_qdrant as stock
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from mrl_adapters.edge import EdgeClient

EMBEDDING = DeterministicFakeEmbedding(size=64)
EVEN = models.Filter(
    must=[models.FieldCondition(key="metadata.kind", match=models.MatchValue(value="even"))]
)


def documents() -> list[Document]:
    return [
        Document(
            page_content=f"document {at}",
            metadata={"n": at, "kind": "odd" if at % 2 else "even"},
        )
        for at in range(20)
    ]


@pytest.mark.filterwarnings("ignore:Relevance scores must be between:UserWarning")  # 1.00000006
def test_langchains_stock_store_runs_on_edge(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", models.VectorParams(size=64, distance="Cosine"))
        store = stock.QdrantVectorStore(client, "docs", EMBEDDING)
        ids = store.add_documents(documents())
        [(best, score), _] = store.similarity_search_with_score("document 3", k=2)
        assert best.page_content == "document 3"
        assert best.metadata["_id"] == str(uuid.UUID(ids[3]))
        assert score == pytest.approx(1.0, abs=1e-5)
        even = store.similarity_search("document 3", k=20, filter=EVEN)
        assert {each.metadata["n"] for each in even} == set(range(0, 20, 2))
        [(_, relevance)] = store.similarity_search_with_relevance_scores("document 4", k=1)
        assert relevance == pytest.approx(1.0, abs=1e-5)
        above = store.similarity_search_with_score("document 3", k=20, score_threshold=0.9)
        assert [each.metadata["n"] for each, _ in above] == [3]
        diverse = store.max_marginal_relevance_search("document 3", k=4, fetch_k=20)
        assert len({each.metadata["n"] for each in diverse}) == 4
        assert diverse[0].metadata["n"] == 3

        assert [each.metadata["n"] for each in store.get_by_ids([ids[5], ids[1]])] == [5, 1]
        assert store.delete([ids[3]]) is True
        assert store.get_by_ids([ids[3]]) == []
        assert store.similarity_search("document 3", k=1)[0].page_content != "document 3"
    with EdgeClient(tmp_path) as client:
        reopened = stock.QdrantVectorStore(client, "docs", EMBEDDING)
        assert (
            reopened.as_retriever(search_kwargs={"k": 1}).invoke("document 7")[0].metadata["n"] == 7
        )


def test_langchains_stock_store_uses_a_named_vector(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        params = {"full": models.VectorParams(size=64, distance="Dot")}
        client.create_collection("docs", params)
        with pytest.raises(stock.qdrant.QdrantVectorStoreError):
            stock.QdrantVectorStore(client, "docs", EMBEDDING)
        store = stock.QdrantVectorStore(
            client, "docs", EMBEDDING, vector_name="full", distance=models.Distance.DOT
        )
        store.add_texts(["one", "two"])
        assert store.similarity_search("two", k=1)[0].page_content == "two"


def test_llama_indexes_stock_store_runs_on_edge(tmp_path: Path) -> None:
    llama = pytest.importorskip("llama_index.vector_stores.qdrant")
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import (
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
    )

    with EdgeClient(tmp_path) as client:
        store = llama.QdrantVectorStore("nodes", client=client)
        nodes = [
            TextNode(
                id_=str(uuid.uuid4()),
                text=f"document {at}",
                metadata={"n": at},
                embedding=EMBEDDING.embed_query(f"document {at}"),
            )
            for at in range(12)
        ]
        assert store.add(nodes) == [each.node_id for each in nodes]
        few = MetadataFilters(
            filters=[MetadataFilter(key="n", value=7, operator=FilterOperator.LTE)]
        )
        answer = store.query(
            VectorStoreQuery(query_embedding=nodes[4].embedding, similarity_top_k=20, filters=few)
        )
        assert answer.ids[0] == nodes[4].node_id
        assert set(answer.ids) == {each.node_id for each in nodes[:8]}
        [again] = store.get_nodes(node_ids=[nodes[2].node_id])
        assert again.get_content() == "document 2"
        store.delete_nodes([nodes[2].node_id])
        assert client.count("nodes").count == 11
        store.clear()
        assert not client.collection_exists("nodes")


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(__file__).parents[2] / "examples" / "stock_store_on_edge.py"
    runpy.run_path(str(script))["main"](tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"6 notes under {tmp_path}"
    assert "Sourdough bread" in said[said.index("how do I bake bread? ") + 1]
    pruning = said.index("when should fruit trees be cut? (in the garden)")
    assert "Prune apple trees" in said[pruning + 1]
