"""A failed add says which nodes are in; the same call again completes it."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from qdrant_client import AsyncQdrantClient

from mrl_adapters.errors import EmbeddingError
from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.driver import Client


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
def test_the_error_says_what_is_in_and_the_same_call_completes_it(
    new_store: Callable[..., MatryoshkaVectorStore],
    client: Client,
    call: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    raised: type[BaseException],
    request: pytest.FixtureRequest,
) -> None:
    if raised is KeyboardInterrupt and "async" in request.node.name:
        pytest.skip("an interrupt ends the event loop, and the test with it")
    nodes = [TextNode(id_=f"n{row}", text="x", embedding=[1.0, row] * 8) for row in range(10)]
    store = new_store(layout=CollectionLayout(16, (4,)), batch_size=4)
    # Coroutines reach a server by an async client of their own.
    by_twin = "server" in request.node.name and "async" in request.node.name
    kind: Any = AsyncQdrantClient if by_twin else type(client)
    upsert, calls = kind.upsert, itertools.count(1)

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(calls) == 2:
            raise raised("stopped")
        return upsert(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "upsert", failing)
        with pytest.raises(raised, match="stopped") as met:
            call(store, "add", nodes)
    error: Any = met.value
    assert error.stored_ids == [f"n{row}" for row in range(4)]
    assert error.missing_ids == [f"n{row}" for row in range(4, 10)]
    assert call(store, "add", nodes) == error.ids
    assert sorted(each.node_id for each in store.get_nodes()) == sorted(error.ids)


def test_a_refused_node_leaves_all_missing(
    new_store: Callable[..., MatryoshkaVectorStore], call: Callable[..., Any]
) -> None:
    nodes = [TextNode(id_=f"n{row}", text="x", embedding=[1.0, row] * 8) for row in range(3)]
    nodes[2].embedding = None
    with pytest.raises(EmbeddingError, match="n2") as met:
        call(new_store(layout=CollectionLayout(16, (4,))), "add", nodes)
    assert met.value.missing_ids == ["n0", "n1", "n2"]  # type: ignore[attr-defined] # set on it
