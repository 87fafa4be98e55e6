"""A load that fails says which documents are in; the same call again completes it."""

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from qdrant_client import models

from mrl_adapters.errors import EmbeddingError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import CollectionLayout, loading
from mrl_adapters.qdrant.driver import Client

COUNT, BATCH = 35, 5
TEXTS = [f"text {number}" for number in range(COUNT)]
METADATAS = [{"n": number} for number in range(COUNT)]
OWN = [f"own-{number}" for number in range(COUNT)]


class Failing(Embeddings):
    """Give every text a vector of its own, and fail once at the n-th batch."""

    def __init__(self, batch: int | None, error: BaseException | None) -> None:
        self._calls = itertools.count(1)
        self._batch, self._error = batch, error

    def embed_documents(self, texts: list[str]) -> Any:
        vectors = np.random.default_rng(len(texts)).normal(size=(len(texts), 16))
        if next(self._calls) == self._batch:
            if self._error is not None:
                raise self._error
            vectors[2] = np.nan  # refused by the store
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return [1.0] * 16


FAILURES: dict[str, Callable[[pytest.MonkeyPatch, Client], dict[str, Any]]] = {}


def failure(make: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    FAILURES[make.__name__] = make
    return make


@failure
def the_embedding_fails(patch: pytest.MonkeyPatch, client: Client) -> dict[str, Any]:
    return {"embedding": Failing(4, OSError("no connection"))}


@failure
def a_key_is_pressed(patch: pytest.MonkeyPatch, client: Client) -> dict[str, Any]:
    return {"embedding": Failing(4, KeyboardInterrupt("pressed"))}


@failure
def a_vector_is_refused(patch: pytest.MonkeyPatch, client: Client) -> dict[str, Any]:
    return {"embedding": Failing(4, None)}


@failure
def the_engine_refuses_a_batch(patch: pytest.MonkeyPatch, client: Client) -> dict[str, Any]:
    upsert, calls = type(client).upsert, itertools.count(1)

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(calls) == 4:
            raise RuntimeError("full")
        return upsert(self, *args, **kwargs)

    patch.setattr(type(client), "upsert", failing)
    return {}


@failure
def the_answer_to_the_last_batch_is_lost(
    patch: pytest.MonkeyPatch, client: Client
) -> dict[str, Any]:
    upsert, calls = type(client).upsert, itertools.count(1)

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = upsert(self, *args, **kwargs)
        if next(calls) == COUNT // BATCH:
            raise RuntimeError("silence")
        return answer

    patch.setattr(type(client), "upsert", failing)
    return {}


@failure
def the_progress_function_fails(patch: pytest.MonkeyPatch, client: Client) -> dict[str, Any]:
    calls = itertools.count(1)

    def report(at: Progress) -> None:
        if next(calls) == 4:
            raise ValueError("closed")

    return {"progress": report}


@failure
def the_first_batch_fails(patch: pytest.MonkeyPatch, client: Client) -> dict[str, Any]:
    return {"embedding": Failing(1, OSError("no connection"))}


def listed(texts: Iterable[str]) -> list[str]:
    return list(texts)


def generated(texts: Iterable[str]) -> Iterator[str]:
    yield from texts


async def add(store: MatryoshkaVectorStore, colour: str, texts: Any, **options: Any) -> list[str]:
    found = getattr(store, f"{colour}add_texts")(texts, METADATAS, batch_size=BATCH, **options)
    ids: list[str] = await found if inspect.isawaitable(found) else found
    return ids


def stored(client: Client) -> dict[str, str]:
    """Texts by id, as they are in the collection."""
    if not client.collection_exists("docs"):
        return {}
    records, _ = client.scroll("docs", limit=10 * COUNT, with_payload=True)
    payloads = {str(record.id): record.payload or {} for record in records}
    return {each.get("_mrl_id", key): each["page_content"] for key, each in payloads.items()}


@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize("given", [None, OWN], ids=["generated ids", "own ids"])
@pytest.mark.parametrize("source", [listed, generated])
@pytest.mark.parametrize("name", FAILURES)
async def test_the_error_says_what_is_in_and_the_same_call_completes_it(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    source: Callable[[Iterable[str]], Iterable[str]],
    given: list[str] | None,
    colour: str,
) -> None:
    layout = CollectionLayout(16, (4,))
    if name == "a_key_is_pressed" and colour:
        pytest.skip("an interrupt ends the event loop, and the test with it")
    with monkeypatch.context() as patch:
        options = FAILURES[name](patch, client)
        embedding = options.pop("embedding", Failing(None, None))
        store = MatryoshkaVectorStore(client, "docs", embedding, layout=layout)
        with pytest.raises(BaseException, match=r"\w") as met:
            await add(store, colour, source(TEXTS), ids=given, **options)
    error: Any = met.value
    inside = stored(client)
    assert sorted([*error.stored_ids, *error.missing_ids]) == sorted(error.ids)
    assert set(error.stored_ids) <= set(inside)
    if "answer" not in name:
        assert set(error.stored_ids) == set(inside)
    if source is listed:
        assert len(error.ids) == COUNT
    assert [inside[each] for each in error.stored_ids] == TEXTS[: len(error.stored_ids)]
    # By another store, and with nothing given but what was given before.
    again = MatryoshkaVectorStore(client, "docs", Failing(None, None), layout=layout)
    ids = await add(again, colour, source(TEXTS), ids=given)
    assert ids[: len(error.ids)] == error.ids
    assert stored(client) == dict(zip(ids, TEXTS, strict=True))


def test_a_list_is_completed_by_another_process_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = CollectionLayout(16, (4,))
    store = MatryoshkaVectorStore(client, "docs", Failing(4, OSError("gone")), layout=layout)
    with pytest.raises(OSError, match="gone"):
        store.add_texts(TEXTS, batch_size=BATCH)
    monkeypatch.setattr(loading, "_unfinished", {})  # what another process would know
    ids = store.add_texts(TEXTS, batch_size=BATCH)
    assert stored(client) == dict(zip(ids, TEXTS, strict=True))


@pytest.mark.parametrize("source", [listed, generated])
@pytest.mark.parametrize("times", [2, 13])
def test_the_same_texts_again_after_all_were_stored_are_stored_again(
    client: Client, source: Callable[[Iterable[str]], Iterable[str]], times: int
) -> None:
    layout = CollectionLayout(16, (4,))
    store = MatryoshkaVectorStore(client, "docs", Failing(None, None), layout=layout)
    ids = [each for _ in range(times) for each in store.add_texts(source(["same", "same"]))]
    assert len(set(ids)) == 2 * times
    assert stored(client) == dict.fromkeys(ids, "same")


async def test_the_same_text_at_the_same_time_is_stored_as_often(client: Client) -> None:
    layout = CollectionLayout(16, (4,))
    store = MatryoshkaVectorStore(client, "docs", Failing(None, None), layout=layout)
    await store.aadd_texts(["first"])
    added = await asyncio.gather(*(store.aadd_texts(["same"]) for _ in range(14)))
    assert len({ids[0] for ids in added}) == 14
    assert len(stored(client)) == 15


def test_what_is_kept_back_for_a_rotation_is_missing_and_comes_with_the_next_call(
    client: Client,
) -> None:
    layout = CollectionLayout(16, (4,), rotation="auto")
    store = MatryoshkaVectorStore(client, "docs", Failing(4, OSError("gone")), layout=layout)
    with pytest.raises(OSError, match="gone") as met:
        store.add_texts(TEXTS, batch_size=BATCH)
    error: Any = met.value
    assert error.stored_ids == []
    assert len(error.missing_ids) == COUNT
    assert store.add_texts(TEXTS, batch_size=BATCH) == error.ids
    assert len(stored(client)) == COUNT


def test_ids_are_told_by_add_documents_and_from_texts_too(client: Client) -> None:
    documents = [Document(page_content=text) for text in TEXTS]
    options = {"client": client, "collection_name": "docs", "layout": CollectionLayout(16, (4,))}
    store = MatryoshkaVectorStore(embedding=Failing(2, OSError("gone")), **options)  # type: ignore[arg-type] # a test's own options
    with pytest.raises(OSError, match="gone") as met:
        store.add_documents(documents, batch_size=BATCH)
    assert len(met.value.stored_ids) == BATCH  # type: ignore[attr-defined] # set on the error
    with pytest.raises(OSError, match="gone") as met:
        MatryoshkaVectorStore.from_texts(
            TEXTS, Failing(3, OSError("gone")), batch_size=BATCH, **options
        )
    assert len(met.value.stored_ids) == 2 * BATCH  # type: ignore[attr-defined] # set on the error
    assert len(stored(client)) == 2 * BATCH


def test_an_error_stays_what_it_is(client: Client) -> None:
    store = MatryoshkaVectorStore(
        client, "docs", Failing(2, None), layout=CollectionLayout(16, (4,))
    )
    with pytest.raises(EmbeddingError, match="holds NaN") as met:
        store.add_texts(TEXTS, batch_size=BATCH)
    if hasattr(met.value, "__notes__"):  # since Python 3.11
        assert "5 of 35 documents are stored" in met.value.__notes__[0]


def test_documents_that_were_deleted_in_between_come_back(client: Client) -> None:
    layout = CollectionLayout(16, (4,))
    store = MatryoshkaVectorStore(client, "docs", Failing(None, None), layout=layout)
    ids = store.add_texts(["one", "two"])
    client.delete("docs", models.FilterSelector(filter=models.Filter()))
    assert store.add_texts(["one", "two"]) == ids
    assert len(stored(client)) == 2
