"""``--late-interaction``: token vectors by an encoder that is named, from indexing to searching."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

ENCODER = ("--late-interaction", "mrl_adapters.embeddings:WordLlamaTokens")
OWN = """
import numpy as np

class Letters:
    model_name = "letters"

    def embed_documents(self, texts):
        return [np.array([[float(letter in text) for letter in "abcz"]]) for text in texts]

    def embed_query(self, text):
        return self.embed_documents([text])[0]

encoder = Letters()
"""


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, str]:
    folder = str(tmp_path / "vectors")
    with connect(path=folder) as client:
        layout = CollectionLayout(256, (64,))
        store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder(), layout=layout)
        store.add_texts(["a zoo", "the bees", "a cab"], ids=[*"abc"])
    return ("--path", folder)


def held(place: tuple[str, str], name: str) -> dict[str, Any]:
    with connect(path=place[1]) as client:
        points, _ = client.scroll(name, with_vectors=["colbert"], limit=99)
        return {str(each.payload["page_content"]): each.vector["colbert"] for each in points}


def test_files_are_indexed_with_token_vectors(run: Any, notes: Path, tmp_path: Path) -> None:
    place = ("--path", str(tmp_path / "vectors"))
    assert run("index", notes, "--collection", "notes", *ENCODER, *place).exit_code == 0
    assert all(np.shape(rows)[1] == 256 for rows in held(place, "notes").values())
    asked = ("search", "notes", "who makes honey?", "-k", 2, "--json", *place)
    ranked, plain = (json.loads(run(*asked, *more).stdout) for more in (ENCODER, ()))
    assert "honey" in ranked[0]["text"]
    assert ranked[0]["score"] > 1.01 > plain[0]["score"]  # a sum over tokens, a cosine
    again = run("index", notes, "--collection", "notes", *place)
    assert again.exit_code == 0  # nothing is written, so nobody is missed


def test_a_collection_that_exists_gets_them_from_an_encoder_of_ones_own(
    run: Any, place: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_letters.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    own = ("--late-interaction", "own_letters:encoder")
    asked = ("search", "docs", "czab", "--json", *place)
    refused = run(*asked, *own)
    assert refused.exit_code == 1
    assert "late_interaction=" in " ".join(refused.output.split())
    told = run("migrate", "docs", *own, *place, "--dry-run")
    assert "compute the token vectors of 3 texts by letters" in " ".join(told.output.split())
    done = run("migrate", "docs", *own, *place)
    assert done.exit_code == 0
    assert "search --late-interaction" in " ".join(done.output.split())
    assert held(place, "docs")["a cab"] == pytest.approx(np.array([[1, 1, 1, 0]]) / 3**0.5, 1e-3)
    assert json.loads(run(*asked, *own).stdout)[0]["text"] == "a cab"
    with connect(path=place[1]) as client:
        [first, *_], _ = client.scroll("docs")
        client.delete_vectors("docs", ["colbert"], [first.id])
    audited = run("audit", "docs", *place)
    assert audited.exit_code == 1
    assert "1 lack token vectors" in " ".join(audited.output.split())
    repaired = " ".join(run("repair", "docs", *place).output.split())
    assert "late_interaction=mrl_adapters.qdrant.TokenVectors('colbert', 4" in repaired
    assert run("migrate", "docs", *own, *place).exit_code == 0
    assert run("audit", "docs", *place).exit_code == 0
