"""Ctrl-C in a migration, at any step and any line of the engine: the same client goes on."""

import gc
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters import edge
from mrl_adapters.qdrant import EdgeClient, audit, migrate

# Between the opening of a file and the `with` around it nobody else can close it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # what an interrupted call left open is not the next test's


ENGINE = str(Path(edge.__file__).parent)
COUNT = 300
MIGRATIONS: dict[str, dict[str, Any]] = {
    "in place": {"stages": (8,)},
    "copy": {"stages": (8,), "mode": "copy", "target": "new"},
    "in place, rotated": {"stages": (8,), "rotation": "auto"},
}


def fill(client: EdgeClient) -> None:
    vectors = np.random.default_rng(0).standard_normal((COUNT, 16)).astype(np.float32)
    full = models.VectorParams(size=16, distance=models.Distance.COSINE)
    client.create_collection("old", {"full": full})
    client.upsert(
        "old",
        [
            models.PointStruct(id=at, vector={"full": row.tolist()}, payload={"at": at})
            for at, row in enumerate(vectors)
        ],
    )


def interrupted(what: Callable[[], object], line: int) -> int:
    """Raise KeyboardInterrupt at the n-th line of the engine that runs; give how many ran."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        if event == "line":
            seen += 1
            if seen == line:
                raise KeyboardInterrupt
        return trace

    former = sys.gettrace()  # whoever measures which lines run goes on afterwards
    sys.settrace(trace)
    try:
        what()
    except KeyboardInterrupt:
        assert seen >= line
    finally:
        sys.settrace(former)
    return seen


def try_lines(how: str, tmp_path: Path, trials: int) -> None:
    """Interrupt a migration at lines drawn from all that it runs, mostly where settings change."""
    options = MIGRATIONS[how]
    with EdgeClient(tmp_path / "whole") as client:
        fill(client)
        lines = interrupted(lambda: migrate(client, "old", **options), 0)
    rng = random.Random(how)
    for trial in range(trials):
        place = tmp_path / str(trial)
        line = rng.randint(1, lines if trial % 2 else min(1500, lines))
        with EdgeClient(place) as client:
            fill(client)
            interrupted(lambda: migrate(client, "old", **options), line)
            result = migrate(client, "old", **options)
            found = audit(client, result.target_name)
            assert found.ok
            assert found.points == COUNT
            records = client.scroll(result.target_name, limit=COUNT)[0]
            assert [each.payload["at"] for each in records] == list(range(COUNT))


@pytest.mark.parametrize("how", MIGRATIONS)
def test_a_migration_interrupted_somewhere_is_finished_by_the_same_client(
    how: str, tmp_path: Path
) -> None:
    try_lines(how, tmp_path, trials=1)


@pytest.mark.slow
@pytest.mark.parametrize("how", MIGRATIONS)
def test_a_migration_interrupted_anywhere_is_finished_by_the_same_client(
    how: str, tmp_path: Path
) -> None:
    try_lines(how, tmp_path, trials=40)
