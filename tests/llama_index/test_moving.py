"""Each pair in the page about moving differs in its import alone, and prints the same."""

import uuid
import warnings
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import Document, NodeRelationship, RelatedNodeInfo, TextNode
from moving import check_imports, half, printed, programs

from mrl_adapters.qdrant import OneStageWarning, connect
from mrl_adapters.qdrant.driver import Client

PROGRAMS = programs("moving_from_llama_index_qdrant.md")
SERVER = "A server, by its address"
# Where a program has qdrant-client's local mode, the embedded engine.
EMBEDDED = {
    'aclient=AsyncQdrantClient(":memory:")': 'client=connect(path="embedded")',
    'QdrantClient(":memory:")': 'connect(path="embedded")',
}
TEXTS = {
    "copy.md": "shutil.copytree copies a directory tree.",
    "gzip.md": "gzip.compress makes data smaller.",
    "sort.md": "list.sort orders numbers in place.",
}


def documents() -> list[Document]:
    return [
        Document(
            id_=name,
            text=text,
            metadata={"n": n, "share": n / 4, "module": text.partition(".")[0]},
        )
        for n, (name, text) in enumerate(TEXTS.items(), 1)
    ]


def embedded_nodes(embed_model: Any) -> list[TextNode]:
    made = [
        TextNode(
            id_=str(uuid.UUID(int=n)),
            text=each.text,
            metadata=each.metadata,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=each.id_)},
        )
        for n, each in enumerate(documents(), 1)
    ]
    return embed_model(made)


def test_the_page_has_programs() -> None:
    assert len(PROGRAMS) >= 14
    assert SERVER in PROGRAMS


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_pair_differs_in_its_import_alone(title: str) -> None:
    stock, ours = "llama_index.vector_stores.qdrant", "mrl_adapters.llama_index"
    check_imports(PROGRAMS[title], stock, ours)


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_pair_prints_the_same(
    title: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    embed_model: Any,
    gateway: Any,
    faulty_server: Any,
) -> None:
    before, after = half(PROGRAMS[title], "-"), half(PROGRAMS[title], "+")
    sources = {"before": before, "after": after}
    if title != SERVER:
        sources["embedded"] = after
        for there, here in EMBEDDED.items():
            sources["embedded"] = sources["embedded"].replace(there, here)
        assert sources["embedded"] != after
    said = {}
    for half_name, source in sources.items():
        folder = tmp_path / half_name
        folder.mkdir()
        monkeypatch.chdir(folder)
        opened: list[Client] = []
        names = {
            "connect": lambda path, opened=opened: opened.append(connect(path=path)) or opened[-1],
            "embed_model": embed_model,
            "documents": documents(),
            "nodes": embedded_nodes(embed_model),
            "url": f"http://127.0.0.1:{faulty_server.server_port}",
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneStageWarning)
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            if half_name == "before":
                warnings.simplefilter("ignore")  # the stock store's and the local mode's own
            try:
                said[half_name] = printed(source, names)
            finally:
                for client in opened:
                    client.close()
                if title == SERVER and "vector_store" in names:
                    names["vector_store"].client.close()
        gateway._engine.delete_collection("docs")
    assert said["before"].strip()
    assert set(said.values()) == {said["before"]}
