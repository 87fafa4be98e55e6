"""Token vectors stay with their points, whatever is done to the collection."""

from typing import Any

import numpy as np
import pytest

from mrl_adapters.embeddings import WordLlamaEmbedder, WordLlamaTokens
from mrl_adapters.maintenance.backup import backup, restore
from mrl_adapters.qdrant import (
    CollectionLayout,
    CopyTarget,
    Driver,
    MatryoshkaCollection,
    Search,
    TokenVectors,
    audit,
    migrate,
    repair,
    rotate,
)

ENCODER = WordLlamaTokens(64)
TOKENS = TokenVectors("colbert", 64, ENCODER)
TEXTS = [
    f"{what} {how} {n}"
    for n in range(10)
    for what in ("copy", "delete", "open", "sort")
    for how in ("a directory of files", "the list")
]
QUESTION = "how do I copy a directory?"


def loaded(client: Any, **fields: Any) -> list[Any]:
    layout = CollectionLayout(256, (128,), late_interaction=TOKENS, **fields)
    vectors = np.asarray(WordLlamaEmbedder().embed_documents(TEXTS))
    payloads = [{"page_content": text} for text in TEXTS]
    collection = MatryoshkaCollection("docs", layout=layout)
    Driver(client).run(collection.add([*range(len(TEXTS))], vectors, payloads))
    return ranking(client, "docs")


def ranking(client: Any, name: str) -> list[Any]:
    """Rank by late interaction, in a collection that says itself what it has."""
    said = MatryoshkaCollection(name)
    layout = Driver(client).run(said.open())
    assert layout is not None
    assert layout.late_interaction == TOKENS
    params = client.get_collection(name).config.params.vectors["colbert"]
    assert (params.size, params.datatype.value, params.hnsw_config.m) == (64, "float16", 0)
    vector = np.asarray(WordLlamaEmbedder().embed_query(QUESTION), dtype=np.float32)
    tokens = ENCODER.embed_query(QUESTION)
    search = Search(vector, len(TEXTS), text=QUESTION, tokens=tokens)
    [hits] = Driver(client).run(said.search([search], {"late_interaction": True}))
    assert len(hits) == len(TEXTS)
    return [(hit.id, round(hit.score, 2)) for hit in sorted(hits, key=lambda hit: str(hit.id))]


@pytest.fixture(params=["edge", "local", pytest.param("server", marks=pytest.mark.server)])
def client(request: Any, open_engine: Any) -> Any:
    return open_engine(request.param)


@pytest.mark.parametrize("fields", [{}, {"full_datatype": "float32"}], ids=["float16", "float32"])
def test_a_copy_keeps_them(client: Any, fields: dict[str, Any]) -> None:
    before = loaded(client, **fields)
    result = migrate(client, "docs", stages=(64,), mode="copy", target=CopyTarget("copied"))
    assert (result.settled, result.corrected) == (True, 0)
    assert ranking(client, "copied") == before == ranking(client, "docs")
    held, copied = (
        {
            each.id: each.vector["colbert"]
            for each in client.scroll(name, limit=99, with_vectors=["colbert"])[0]
        }
        for name in ("docs", "copied")
    )
    assert held.keys() == copied.keys()
    assert all(np.allclose(held[each], copied[each], atol=2e-3) for each in held)


def test_a_migration_in_place_keeps_them(client: Any) -> None:
    before = loaded(client)
    assert migrate(client, "docs", stages=(64,)).settled
    assert ranking(client, "docs") == before


def test_audit_and_repair_leave_them(client: Any) -> None:
    before = loaded(client)
    client.delete_vectors("docs", ["short_128"], [3])
    assert audit(client, "docs").missing == 1
    repair(client, "docs")
    assert audit(client, "docs").ok
    assert ranking(client, "docs") == before


def test_a_rotation_keeps_them(client: Any) -> None:
    before = loaded(client)
    rotate(client, "docs", stages=(16,))
    assert ranking(client, "docs") == before


def test_a_backup_has_them(client: Any, tmp_path: Any) -> None:
    before = loaded(client)
    backup(client, "docs", tmp_path / "docs.backup")
    restore(client, tmp_path / "docs.backup", collection_name="restored")
    assert ranking(client, "restored") == before
