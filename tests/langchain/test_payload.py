"""Metadata of a LangChain store: the same on every engine; refused before anything is embedded."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaVectorStore

NewStore = Callable[..., MatryoshkaVectorStore]
WRONG = {
    "NaN": float("nan"),
    "half a pair": "\ud83d",
    "64 bits": 2**63,
    "an object": object(),
    "bytes": b"\xff",
    "no key": {None: 1},
}


def test_values_come_back_as_the_table_says(new_store: NewStore) -> None:
    store = new_store()
    metadata = {"price": Decimal("19.90"), "raw": b"1", "day": dt.date(2024, 1, 1), "n": np.int8(3)}
    store.add_texts(["a file"], [metadata], ids=["1"])
    assert store.get_by_ids(["1"])[0].metadata == {
        "price": "19.90",
        "raw": "1",
        "day": "2024-01-01",
        "n": 3,
    }


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("batch_size", [1, 10])
def test_of_a_list_nothing_is_stored_if_one_document_cannot_be(
    new_store: NewStore, embeddings: Any, wrong: Any, batch_size: int
) -> None:
    store = new_store()
    metadatas: list[Any] = [{"page": 1}, {"page": {"deep": [0, wrong]}}]
    expected = r"Document 1 \('row 7'\), metadata\.page\.deep"
    texts = ["a file", "a date"]
    with pytest.raises(ConfigurationError, match=expected):
        store.add_texts(texts, metadatas, ids=["a", "row 7"], batch_size=batch_size)
    with pytest.raises(ConfigurationError, match=expected):
        asyncio.run(store.aadd_texts(texts, metadatas, ids=["a", "row 7"], batch_size=batch_size))
    assert embeddings.documents == []
    assert store.get_by_ids(["a", "row 7"]) == []


def test_of_a_generator_the_batches_before_are_stored(new_store: NewStore) -> None:
    def documents() -> Iterator[Document]:
        yield Document(page_content="a file", id="a")
        yield Document(page_content="a date", id="b", metadata={"page": float("nan")})

    store = new_store()
    with pytest.raises(ConfigurationError, match=r"Document 1 \('b'\), metadata\.page: nan"):
        store.add_documents(documents(), batch_size=1)
    assert [each.id for each in store.get_by_ids(["a", "b"])] == ["a"]


@pytest.mark.parametrize("wrong", [None, 1, b"text", ["text"], "half \udc00"])
def test_what_is_no_text_is_refused_by_its_place(
    new_store: NewStore, embeddings: Any, wrong: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"(Text|Document) 1"):
        new_store().add_texts(["a file", wrong])
    assert embeddings.documents == []


@pytest.mark.parametrize("wrong", [1, "text", ["a"]])
def test_metadata_that_is_no_dict_is_refused(new_store: NewStore, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Document 0 \('a'\).*expected a dict"):
        new_store().add_texts(["a file"], [wrong], ids=["a"])
