"""``--sparse``: words by sparse vectors, from indexing to measuring."""

import json
from pathlib import Path
from typing import Any

import pytest

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, connect

TEXTS = ["Error E4021: the disk is full.", "A full moon rises.", "Discs and how to buy them."]


def sparse_of(folder: Path, name: str) -> SparseVectors | None:
    with connect(path=str(folder)) as client:
        store = MatryoshkaVectorStore.from_existing_collection(
            name, WordLlamaEmbedder(), client=client
        )
        store.similarity_search("anything", k=1)
        layout = store.collection.layout
        assert layout is not None
        return layout.sparse


@pytest.mark.parametrize("hybrid", ["rrf", "dbsf", "rescore", "lexical"])
def test_an_index_with_sparse_vectors_is_searched_by_words(
    run: Any, notes: Path, tmp_path: Path, hybrid: str
) -> None:
    place = ("--path", tmp_path / "vectors")
    done = run("index", notes, "--collection", "notes", "--sparse", "--language", "german", *place)
    assert done.exit_code == 0
    found = sparse_of(tmp_path / "vectors", "notes")
    assert found is not None
    assert (found.language, found.is_bm25) == ("german", True)
    asked = run("search", "notes", "honey", "--hybrid", hybrid, "-k", 1, "--json", *place)
    [hit] = json.loads(asked.stdout)
    assert "honey" in hit["text"]


def test_a_collection_that_exists_gets_them(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    with connect(path=str(folder)) as client:
        layout = CollectionLayout(256, (64,))
        store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder(), layout=layout)
        store.add_texts(TEXTS, ids=[*"abc"])
    place = ("--path", folder)
    asked = ("search", "docs", "E4021", "--hybrid", "lexical", "--json", *place)
    refused = run(*asked)
    assert refused.exit_code == 1
    assert "--sparse" in " ".join(refused.output.split())
    assert run("migrate", "docs", "--sparse", *place).exit_code == 0
    assert [each["id"] for each in json.loads(run(*asked).stdout)] == ["a"]
    assert sparse_of(folder, "docs") == SparseVectors()


def test_curve_measures_them(run: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": f"d{n}", "text": f"{text} {n}"}) for n, text in enumerate(TEXTS)]
    (data / "corpus.jsonl").write_text("\n".join(lines))
    asked = [json.dumps({"_id": f"q{n}", "text": text}) for n, text in enumerate(TEXTS)]
    (data / "queries.jsonl").write_text("\n".join(asked))
    judged = "".join(f"q{n}\td{n}\t1\n" for n in range(len(TEXTS)))
    (data / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    done = run("curve", data, "--sparse", "-k", 1, "--dimensions", 64, "--json")
    assert done.exit_code == 0
    plans = {row["search"]: row for row in json.loads(done.stdout)["plans"]}
    assert plans["lexical"]["recall"] == 1.0
    assert {"two-stage", "rrf", "dbsf", "rescore"} < {*plans}


def test_language_alone_says_nothing_and_is_refused(run: Any, notes: Path, tmp_path: Path) -> None:
    place = ("--path", tmp_path / "vectors")
    refused = run("index", notes, "--collection", "notes", "--language", "german", *place)
    assert refused.exit_code == 2
    assert not (tmp_path / "vectors").exists()
