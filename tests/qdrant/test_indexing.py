"""From how many points on a graph is built: as the layout promises, however few segments hold."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models
from real_server import server_client

from mrl_adapters.qdrant import CollectionLayout, Driver, EdgeClient, MatryoshkaCollection
from mrl_adapters.qdrant.query import Search

Documents = Callable[..., np.ndarray]

POINTS, DIMENSIONS, BATCH = 15_000, 256, 1_000
IDS = [str(row) for row in range(POINTS)]
LAYOUTS = {
    "two stages": CollectionLayout(DIMENSIONS, (64,)),
    "one stage": CollectionLayout(DIMENSIONS, ()),
}


@pytest.mark.parametrize(
    ("layout", "threshold_kb"),
    [
        (CollectionLayout(256, (64,)), 2_000),  # 4,000 points of 256 float16
        (CollectionLayout(256, (64,), full_datatype="float32"), 4_000),
        (CollectionLayout(256, (192,)), 3_000),  # the stage's float32 take more
        (CollectionLayout(1536, (256,)), 10_000),  # Qdrant's own: 12,000 would be later
        (CollectionLayout(4, (2,)), 31),
    ],
)
def test_it_is_built_where_a_scan_takes_longer(layout: CollectionLayout, threshold_kb: int) -> None:
    assert layout.indexing_config().indexing_threshold == threshold_kb


def test_what_the_caller_says_counts(tmp_path: Path) -> None:
    client: Any = EdgeClient(tmp_path)
    few = models.OptimizersConfigDiff(indexing_threshold=7)
    docs = MatryoshkaCollection(
        "docs", layout=LAYOUTS["two stages"], creation_options={"optimizers_config": few}
    )
    Driver(client).run(docs.ensure(DIMENSIONS))
    assert client.get_collection("docs").config.optimizer_config.indexing_threshold == 7
    client.close()


def load(client: Any, layout: CollectionLayout, rows: np.ndarray) -> MatryoshkaCollection:
    docs, driver = MatryoshkaCollection("docs", layout=layout), Driver(client)
    for start in range(0, len(rows), BATCH):
        some = slice(start, start + BATCH)
        driver.run(docs.add(IDS[some], rows[some], [{}] * BATCH))
    return docs


def indexed(client: Any, least: int) -> bool:
    """Return whether so many vectors are in graphs; a segment may stay below the threshold."""
    return (client.get_collection("docs").indexed_vectors_count or 0) >= least


@pytest.mark.server
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_server_builds_it_in_several_segments(
    layout: CollectionLayout, documents: Documents
) -> None:
    rows = documents(POINTS, DIMENSIONS)
    with server_client() as client:
        load(client, layout, rows)
        end_s = time.monotonic() + 120
        while not indexed(client, POINTS // 2) and time.monotonic() < end_s:
            time.sleep(0.5)
        assert indexed(client, POINTS // 2)


def test_so_does_the_embedded_engine(tmp_path: Path, documents: Documents) -> None:
    rows = documents(5 * BATCH, DIMENSIONS)
    client = EdgeClient(tmp_path)
    docs = load(client, LAYOUTS["two stages"], rows)
    Driver(client).run(docs.search([Search(rows[0], 1)]))
    assert indexed(client, len(rows))
    client.close()
