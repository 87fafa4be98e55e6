"""Aliases lead where they lead in local mode, and survive what their collections survive."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.errors import EngineError

PARAMS = models.VectorParams(size=2, distance=models.Distance.DOT)
POINT = models.PointStruct(id=1, vector=[1.0, 2.0], payload={"n": 1})
NAMES = ["a", "b", "live", "old"]


def create(alias: str, name: str) -> models.CreateAliasOperation:
    return models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name=name, alias_name=alias)
    )


def drop(alias: str) -> models.DeleteAliasOperation:
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))


def rename(old: str, new: str) -> models.RenameAliasOperation:
    return models.RenameAliasOperation(
        rename_alias=models.RenameAlias(old_alias_name=old, new_alias_name=new)
    )


def aliases(client: Any) -> dict[str, str]:
    return {each.alias_name: each.collection_name for each in client.get_aliases().aliases}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EdgeClient, QdrantClient]]:
    local = QdrantClient(":memory:")
    with EdgeClient(tmp_path_factory.mktemp("aliases")) as embedded:
        yield embedded, local
    local.close()


some = st.sampled_from(NAMES)
changes = st.lists(
    st.one_of(st.builds(create, some, some), st.builds(drop, some), st.builds(rename, some, some)),
    max_size=4,
)
steps = st.lists(
    st.one_of(
        changes.map(lambda each: ("update_collection_aliases", (each,))),
        some.map(lambda name: ("create_collection", (name, PARAMS))),
        some.map(lambda name: ("delete_collection", (name,))),
        some.map(lambda name: ("collection_exists", (name,))),
        some.map(lambda name: ("get_collection_aliases", (name,))),
        some.map(lambda name: ("count", (name,))),
        some.map(lambda name: ("upsert", (name, [POINT]))),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_aliases_are_those_of_local_mode(
    pair: tuple[EdgeClient, QdrantClient], story: list[tuple[str, tuple[Any, ...]]]
) -> None:
    told: list[list[Any]] = []
    for client in pair:
        seen: list[Any] = []
        for method, arguments in [("create_collection", ("a", PARAMS)), *story]:
            try:
                answer = getattr(client, method)(*arguments)
            except ValueError:
                answer = "refused"
            if isinstance(answer, models.UpdateResult):
                answer = answer.status
            seen.append((answer, aliases(client)))
        told.append(seen)
        for each in client.get_collections().collections:
            client.delete_collection(each.name)
        assert aliases(client) == {}
    assert told[0] == told[1]


USES: dict[str, Callable[[EdgeClient], Any]] = {
    "count": lambda client: client.count("live").count,
    "scroll": lambda client: [each.id for each in client.scroll("live")[0]],
    "retrieve": lambda client: len(client.retrieve("live", [1])),
    "query": lambda client: client.query_points("live", [1.0, 1.0]).points[0].id,
    "describe": lambda client: client.get_collection("live").points_count,
    "index": lambda client: client.create_payload_index("live", "n", "integer").status,
    "change": lambda client: client.update_collection("live", metadata={"a": 1}),
    "build": lambda client: client.optimize("live") in {True, False},
    "write": lambda client: client.upsert("live", [POINT]).status,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("reopened", [False, True])
def test_methods_take_an_alias_for_the_collection(
    tmp_path: Path, use: Callable[[EdgeClient], Any], reopened: bool
) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", PARAMS)
        client.upsert("docs", [POINT])
        client.update_collection_aliases([create("live", "docs")])
        if not reopened:
            assert use(client)
    with EdgeClient(tmp_path) as client:
        assert use(client)
        assert list(client._collections) == ["docs"]
        assert client.delete_collection("live") is False
        assert client.collection_exists("live")


def test_an_alias_is_switched_at_once(client: EdgeClient) -> None:
    for at, name in enumerate(["old", "new"], 1):
        client.create_collection(name, PARAMS)
        client.upsert(name, [models.PointStruct(id=each, vector=[1.0, 2.0]) for each in range(at)])
    client.update_collection_aliases([create("live", "old")])
    assert client.count("live").count == 1
    client.update_collection_aliases(
        [{"delete_alias": {"alias_name": "live"}}, create("live", "new")]
    )
    assert client.count("live").count == 2
    with pytest.raises(ValueError, match="Collection none not found"):
        client.update_collection_aliases([drop("live"), create("live", "none")])
    assert aliases(client) == {"live": "new"}
    for wrong, said in ((create("", "new"), "alias is empty"), (PARAMS, "no change of aliases")):
        with pytest.raises(ValueError, match=said):
            client.update_collection_aliases([wrong])


def test_aliases_of_a_collection_that_a_killed_process_deleted_lead_nowhere(tmp_path: Path) -> None:
    """Such a process had deleted the collection, and not forgotten its aliases yet."""
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", PARAMS)
        client.update_collection_aliases([create("live", "docs")])
        files = [tmp_path / "aliases.json", tmp_path / "mrl-adapters.json"]
        kept = [file.read_bytes() for file in files]
        client.delete_collection("docs")
    for file, content in zip(files, kept, strict=True):
        file.write_bytes(content)
    with EdgeClient(tmp_path) as client:
        assert aliases(client) == {}
        assert not client.collection_exists("live")
        with pytest.raises(ValueError, match="Collection live not found"):
            client.count("live")
        client.create_collection("docs", PARAMS)
        assert not client.collection_exists("live")
    assert json.loads((tmp_path / "aliases.json").read_bytes())["aliases"] == {}


def test_harmed_aliases_are_named_and_block_no_collection_in_use(tmp_path: Path) -> None:
    with EdgeClient(tmp_path) as client:
        client.create_collection("docs", PARAMS)
    (tmp_path / "aliases.json").write_text('{"aliases": {')
    with closing(EdgeClient(tmp_path)) as client:
        assert client.collection_exists("docs")
        assert client.count("docs").count == 0
        with pytest.raises(EngineError, match=r"Cannot read .*aliases\.json"):
            client.get_aliases()
