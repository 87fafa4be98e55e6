"""A name that leads to another collection than the one that was opened under it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, identity
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.query import Search

Documents = Callable[..., np.ndarray]
Drive = Callable[[Any], Any]

USES: dict[str, Callable[[MatryoshkaCollection, np.ndarray], Any]] = {
    "add": lambda docs, vectors: docs.add(["z"], vectors, [{}]),
    "delete by id": lambda docs, _: docs.delete(["a"]),
    "delete all": lambda docs, _: docs.delete(),
    "search": lambda docs, vectors: docs.search([Search(vectors[0], 3)]),
    "count": lambda docs, _: docs.count(),
    "scroll": lambda docs, _: docs.scroll(),
    "get": lambda docs, _: docs.get(["a"]),
}
WRITES = ["add", "delete by id", "delete all"]


def point(client: Client, alias: str, name: str) -> None:
    create = models.CreateAlias(collection_name=name, alias_name=alias)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])


@pytest.fixture
def switched(
    client: Client, name: str, documents: Documents, request: pytest.FixtureRequest
) -> MatryoshkaCollection:
    """An alias that was opened with one model, and leads to another's collection since."""
    if request.node.callspec.params["client"] == "rest":
        pytest.skip("the stand-in has no aliases")
    driver, alias = Driver(client), f"{name}_alias"
    for model in ("first", "second"):
        layout = CollectionLayout(32, (8,), model=model)
        docs = MatryoshkaCollection(f"{name}_{model}", layout=layout)
        driver.run(docs.add(["a"], documents(1), [{}]))
    point(client, alias, f"{name}_first")
    opened = MatryoshkaCollection(alias, model=request.param)
    assert driver.run(opened.count()) == 1
    point(client, alias, f"{name}_second")
    return opened


@pytest.mark.parametrize("switched", ["first", None], indirect=True)
@pytest.mark.parametrize("use", USES)
def test_another_models_collection_is_neither_written_to_nor_searched(
    client: Client,
    drive: Drive,
    documents: Documents,
    switched: MatryoshkaCollection,
    use: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if use not in WRITES:  # those ask at once
        monkeypatch.setattr(identity, "_TRUSTED_S", 0.0)
    for _ in range(2):
        with pytest.raises(CollectionMismatchError, match="second"):
            drive(USES[use](switched, documents(1, seed=1)))
    assert client.count(switched.name).count == 1


def test_a_switch_back_is_gone_on_with(
    client: Client, drive: Drive, documents: Documents, name: str
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), model="first"))
    drive(docs.add(["a"], documents(1), [{}]))
    client.delete_collection(name)
    other = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), model="second"))
    drive(other.add(["b"], documents(1), [{}]))
    with pytest.raises(CollectionMismatchError):
        drive(docs.add(["c"], documents(1), [{}]))
    client.delete_collection(name)
    again = MatryoshkaCollection(name, layout=CollectionLayout(32, (16,), model="first"))
    drive(again.add(["d"], documents(1), [{}]))
    drive(MatryoshkaCollection(name).add(["e"], documents(1), [{}]))
    with pytest.raises(CollectionMismatchError, match="16"):  # its own layout has stage 8
        drive(docs.add(["c"], documents(1), [{}]))
    assert drive(again.count()) == 2


def test_searches_do_not_ask_each_time(documents: Documents, name: str) -> None:
    client = QdrantClient(":memory:")
    docs, driver = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,))), Driver(client)
    driver.run(docs.add(["a"], documents(1), [{}]))
    asked: list[str] = []
    get_collection = client.get_collection

    def counted(collection_name: str, **options: Any) -> models.CollectionInfo:
        asked.append(collection_name)
        return get_collection(collection_name, **options)

    client.get_collection = counted  # type: ignore[method-assign]
    for _ in range(20):
        driver.run(docs.search([Search(documents(1)[0], 3)]))
    assert not asked
    driver.run(docs.add(["b"], documents(1), [{}]))
    assert asked == [name]
    client.close()
