"""What an error or a warning tells the reader to run does run, as it is printed."""

import json
import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import MRLError
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    MatryoshkaCollection,
    SearchPlan,
    audit,
    connect,
    migrate,
    repair,
    rotate,
)
from mrl_adapters.qdrant.companion import companion_name
from mrl_adapters.qdrant.query import Search
from mrl_adapters.vectors import Rotation

_VECTORS = np.random.default_rng(1).standard_normal((200, 32)).astype(np.float32)
_NAMES = ["docs", "my docs", "it's", "$(id)", "-docs"]
_LAYOUT = CollectionLayout(32, (8,))


def _flat(client: EdgeClient, name: str, *vectors: str) -> None:
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection(name, dict.fromkeys(vectors, params) if vectors else params)
    rows = _VECTORS.tolist()
    points = [
        models.PointStruct(id=number, vector=dict.fromkeys(vectors, row) if vectors else row)
        for number, row in enumerate(rows)
    ]
    client.upsert(name, points)


def _open(client: EdgeClient, name: str, layout: CollectionLayout | None = None) -> None:
    Driver(client).run(MatryoshkaCollection(name, layout=layout).open())


def _ours(client: EdgeClient, name: str, times: int = 1) -> None:
    ids = list(map(str, range(times * len(_VECTORS))))
    vectors = np.random.default_rng(2).standard_normal((len(ids), 32)).astype(np.float32)
    collection = MatryoshkaCollection(name, layout=_LAYOUT)
    Driver(client).run(collection.add(ids, vectors, [{} for _ in ids]))


def _no_short_vector(client: EdgeClient, name: str) -> None:
    _flat(client, name)
    _open(client, name)


def _stage_missing(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    _open(client, name, CollectionLayout(32, (4, 8)))


def _stage_of_a_plan_missing(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    search = MatryoshkaCollection(name).search([Search(_VECTORS[0], 3)], SearchPlan(stages=(16,)))
    Driver(client).run(search)


def _other_rotation(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    _open(client, name, CollectionLayout(32, (8,), rotation=Rotation.fit([_VECTORS], 8)))


def _lost_rotation(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    rotate(client, name)
    client.delete_collection(companion_name(name))
    _open(client, name)


def _too_few_to_rotate(client: EdgeClient, name: str) -> None:
    layout = CollectionLayout(32, (8,), rotation="auto")
    collection = MatryoshkaCollection(name, layout=layout)
    few = [str(number) for number in range(20)]
    Driver(client).run(collection.add(few, _VECTORS[:20], [{} for _ in few]))


def _points_without_short_vectors(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    client.upsert(name, [models.PointStruct(id=1, vector={"full": _VECTORS[0].tolist()})])
    _open(client, name)


def _contradiction(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    told = client.get_collection(name).config.metadata or {}
    client.update_collection(
        name, metadata={"mrl_adapters": {**told["mrl_adapters"], "stages": [4]}}
    )
    _open(client, name)


def _rotation_without_stages(client: EdgeClient, name: str) -> None:
    _flat(client, name)
    rotate(client, name)


def _migration_to_another_rotation(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    migrate(client, name, stages=(8,), rotation="auto")


def _stop(progress: Progress) -> None:
    if progress.phase == "verifying points":
        raise InterruptedError


def _unfinished(client: EdgeClient, name: str) -> None:
    _flat(client, name)
    with pytest.raises(InterruptedError):
        migrate(client, name, stages=(4, 8), progress=_stop)
    repair(client, name)


def _unfinished_rotation(client: EdgeClient, name: str) -> None:
    _ours(client, name)
    with pytest.raises(InterruptedError):
        rotate(client, name, progress=_stop)
    repair(client, name)


def _unfinished_as_audited(client: EdgeClient, name: str) -> str:
    _flat(client, name)
    with pytest.raises(InterruptedError):
        migrate(client, name, stages=(4, 8), progress=_stop)
    return audit(client, name).problems[0]


def _lost_short_vectors_as_audited(client: EdgeClient, name: str) -> str:
    _ours(client, name)
    client.delete_vector_name(name, "short_8")
    return audit(client, name).problems[0]


def _unused_short_vectors(client: EdgeClient, name: str) -> str:
    _ours(client, name)
    migrate(client, name, stages=(16,))
    told = client.get_collection(name).config.metadata or {}
    client.update_collection(
        name, metadata={"mrl_adapters": {**told["mrl_adapters"], "stages": [8]}}
    )
    (unused,) = (
        each for each in audit(client, name).recommendations if each.topic == "unused_short"
    )
    return unused.fix


_SITUATIONS: list[Callable[[EdgeClient, str], str | None]] = [
    _no_short_vector,
    _stage_missing,
    _stage_of_a_plan_missing,
    _other_rotation,
    _lost_rotation,
    _too_few_to_rotate,
    _points_without_short_vectors,
    _contradiction,
    _rotation_without_stages,
    _migration_to_another_rotation,
    _unfinished,
    _unfinished_rotation,
    _unfinished_as_audited,
    _lost_short_vectors_as_audited,
    _unused_short_vectors,
]


def _told(client: EdgeClient, name: str, situation: Callable[[EdgeClient, str], str | None]) -> str:
    """Bring a situation about; give the error, the warning, or what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            told = situation(client, name)
        except MRLError as error:
            told = str(error)
    return told or str(caught[0].message)


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("situation", _SITUATIONS, ids=lambda each: each.__name__.strip("_"))
def test_the_command_in_a_message_runs_as_it_is_printed(
    run: Any, tmp_path: Path, situation: Callable[[EdgeClient, str], str | None], name: str
) -> None:
    with connect(path=tmp_path / "the store") as client:
        told = _told(client, name, situation)
    found = re.search(r"mrl-adapters ((?:audit|migrate|repair|rotate) .*)", told)
    assert found is not None, told
    words = shlex.split(found[1])
    result = run(*words)
    # What the audit of a contradiction finds is a fault, and so its exit code.
    assert result.exit_code == (situation is _contradiction), result.output
    if words[0] == "audit":
        return
    with connect(path=tmp_path / "the store") as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        _open(client, name)
        assert audit(client, name).problems == ()


@pytest.mark.slow  # tune searches thousands of points, twice
def test_the_commands_that_commands_print_run_as_they_are_printed(run: Any, tmp_path: Path) -> None:
    place = tmp_path / "the store"
    with connect(path=place) as client:
        _ours(client, "my docs", times=20)  # to prove what tune promises takes some
        client.upsert("my docs", [models.PointStruct(id=1, vector={"full": [1.0] * 32})])
    options = ("my docs", "--path", place)
    audited = run("audit", *options)
    assert audited.exit_code == 1
    mending = re.search(r"Mend it with: mrl-adapters (.*)", audited.output)
    assert mending is not None
    assert run(*shlex.split(mending[1])).exit_code == 0
    assert run("audit", *options).exit_code == 0
    saved = run("tune", *options, "--save")
    assert saved.exit_code == 0, saved.output
    migrated = run("migrate", *options, "--stages", "16")
    tuning = re.search(r"Make a new one with: mrl-adapters (.*)", migrated.output)
    assert tuning is not None, migrated.output
    tuned = run(*shlex.split(tuning[1]), "--json")
    assert tuned.exit_code == 0, tuned.output
    assert json.loads(tuned.stdout)
