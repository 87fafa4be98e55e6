"""Other writers go on while a collection is migrated."""

import random
import threading

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.errors import EngineError, MigrationError
from mrl_adapters.maintenance import client as client_module
from mrl_adapters.maintenance import short_vectors
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.short_vectors import ShortVectors
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    EdgeClient,
    audit,
    migrate,
    repair,
)
from mrl_adapters.qdrant.points import derive


class MeddlingClient(EdgeClient):
    """Lets another writer in at the worst moment: between reading a page and writing it."""

    meddle = staticmethod(lambda ids: None)

    def update_vectors(self, collection_name, points, **kwargs):
        self.meddle([point.id for point in points])
        return super().update_vectors(collection_name, points, **kwargs)


@pytest.fixture
def meddling(tmp_path):
    with MeddlingClient(tmp_path / "edge") as client:
        yield client


@pytest.fixture
def small_pages(monkeypatch):
    """Ten points a page, so that a small collection has many."""
    monkeypatch.setattr(client_module, "_POINTS_PER_PAGE", 10)


def _full(client, number, vector):
    client.update_vectors("docs", [models.PointVectors(id=number, vector={"": vector.tolist()})])


def test_a_full_vector_replaced_before_the_write_gets_its_own_short_one(meddling, legacy, vectors):
    legacy(meddling, count=50)
    changed = vectors(50, seed=1)

    def once(ids):
        del meddling.meddle
        _full(meddling, 3, changed[3])

    meddling.meddle = once
    result = migrate(meddling, "docs", stages=(8,))

    assert (result.corrected, result.settled, result.passes) == (1, True, 2)
    assert audit(meddling, "docs").ok


def test_a_point_replaced_by_the_stock_store_before_the_write_is_whole_again(
    meddling, legacy, vectors
):
    legacy(meddling, count=50)
    [changed] = vectors(1, seed=1)

    def once(ids):
        del meddling.meddle
        meddling.upsert("docs", [models.PointStruct(id=3, vector=changed.tolist())])

    meddling.meddle = once
    migrate(meddling, "docs", stages=(8,))

    assert audit(meddling, "docs").ok


def test_our_own_writers_short_vector_is_not_overwritten_by_an_older_one(
    meddling, legacy, vectors, stored_vectors
):
    legacy(meddling, count=50)
    [changed] = vectors(1, seed=1)
    seen = []

    def meddle(ids):
        if not seen and len(ids) > 1:
            seen.append(ids)
            short = changed[:8].tolist()
            point = models.PointStruct(id=3, vector={"": changed.tolist(), "short_8": short})
            meddling.upsert("docs", [point])

    meddling.meddle = meddle
    result = migrate(meddling, "docs", stages=(8,))

    assert seen
    assert result.corrected == 0
    assert np.allclose(
        stored_vectors(meddling, "docs", "short_8")[3],
        changed[:8] / np.linalg.norm(changed[:8]),
        atol=1e-6,
    )


def test_a_point_deleted_before_the_write_does_not_stop_the_rest(meddling, legacy):
    legacy(meddling, count=50)

    def once(ids):
        del meddling.meddle
        meddling.delete("docs", [3, 4])

    meddling.meddle = once
    result = migrate(meddling, "docs", stages=(8,))

    assert result.points == 48
    assert audit(meddling, "docs").ok


def test_a_page_deleted_as_a_whole_is_passed_over(meddling, legacy, small_pages):
    legacy(meddling, count=50)

    def once(ids):
        del meddling.meddle
        meddling.delete("docs", ids)

    meddling.meddle = once
    assert migrate(meddling, "docs", stages=(8,)).points == 40
    assert audit(meddling, "docs").ok


def test_points_deleted_without_end_are_reported(meddling, legacy):
    legacy(meddling, count=50)
    meddling.meddle = lambda ids: meddling.delete("docs", [ids[0]])

    with pytest.raises(MigrationError, match="deleted faster"):
        migrate(meddling, "docs", stages=(8,))


def test_an_error_that_no_deletion_explains_comes_out(meddling, legacy):
    legacy(meddling, count=50)

    def fail(ids):
        message = "disk full"
        raise OSError(message)

    meddling.meddle = fail
    with pytest.raises(OSError, match="disk full"):
        migrate(meddling, "docs", stages=(8,))


def test_points_that_never_come_to_rest_are_reported(meddling, legacy, vectors, monkeypatch):
    monkeypatch.setattr(short_vectors, "MAX_PASSES", 2)
    legacy(meddling, count=5)
    rng = np.random.default_rng(0)
    state = {"inside": False}

    def meddle(ids):
        if not state["inside"]:
            state["inside"] = True
            _full(meddling, 3, rng.standard_normal(32))
            state["inside"] = False

    meddling.meddle = meddle
    result = migrate(meddling, "docs", stages=(8,))
    assert (result.settled, result.passes) == (False, 2)

    del meddling.meddle
    assert migrate(meddling, "docs", stages=(8,)).settled
    assert audit(meddling, "docs").ok


def test_what_was_written_behind_the_passes_is_found(client, legacy, vectors, small_pages):
    legacy(client, count=100)
    changed = vectors(200, seed=1)
    done = set()

    def write(progress):
        if progress.done == 50 and progress.phase not in done:
            done.add(progress.phase)
            point = models.PointStruct(id=500 + len(done), vector={"": changed[0].tolist()})
            client.upsert("docs", [point])
            _full(client, len(done), changed[len(done)])

    result = migrate(client, "docs", stages=(8,), progress=write)

    assert done == {"deriving short vectors", "verifying points"}
    assert result.points == 102
    # The one changed behind the last comparison, by a writer that knows nothing of short vectors.
    assert repair(client, "docs").corrected <= 1
    assert audit(client, "docs").ok


class Writer(threading.Thread):
    """Inserts, replaces, changes and deletes points until it is stopped."""

    def __init__(self, client, rows, stop, seed):
        super().__init__()
        self._client, self._rows, self._stop_event = client, rows, stop
        self._rng = random.Random(seed)
        self.failures = []

    def run(self):
        try:
            while not self._stop_event.is_set():
                self._write(self._rng.randrange(400), self._rows[self._rng.randrange(1_000)])
        except Exception as error:  # noqa: BLE001 - told to the main thread
            self.failures.append(error)

    def _write(self, number, row):
        kind = self._rng.randrange(4)
        if kind == 0:
            self._upsert(number, {"": row.tolist()})
        elif kind == 1:
            try:
                _full(self._client, number, row)
            except EngineError as error:
                assert "No point with id" in str(error)  # noqa: PT017 - deleted before
        elif kind == 2:
            self._client.delete("docs", [number])
        elif isinstance(self._client.get_collection("docs").config.params.vectors, dict):
            self._upsert(number, {"": row.tolist(), "short_8": row[:8].tolist()})

    def _upsert(self, number, vector):
        self._client.upsert("docs", [models.PointStruct(id=number, vector=vector)])


def test_writers_of_every_kind_may_go_on_in_other_threads(tmp_path, legacy, vectors, small_pages):
    with EdgeClient(tmp_path / "edge") as client:
        legacy(client, count=400)
        stop = threading.Event()
        writers = [Writer(client, vectors(1_000, seed=1), stop, seed) for seed in range(2)]
        for writer in writers:
            writer.start()

        def watch(progress):
            # They stop during the first comparison: what they did until then must be found.
            if progress.phase == "verifying points" and progress.done >= 200:
                stop.set()
                for writer in writers:
                    writer.join()

        result = migrate(client, "docs", stages=(8,), progress=watch)

        assert [writer.failures for writer in writers] == [[], []]
        assert result.corrected > 0
        # What was changed behind the first comparison, while it ran, is for the next run.
        migrate(client, "docs", stages=(8,))
        assert audit(client, "docs").ok
        assert result.points == audit(client, "docs").points > 0


def test_vectors_that_are_not_finite_get_no_short_vector(open_engine, vectors):
    client = open_engine("edge")
    layout = CollectionLayout(32, (8,), full_name="", distance="Dot")
    full = vectors(4)
    full[1, 20] = np.nan
    full[2, 0] = np.inf
    records = [
        models.Record.model_construct(
            id=number, vector={"": row.tolist(), "short_8": row[:8].tolist()}, shard_key=None
        )
        for number, row in enumerate(full)
    ]

    verdict = ShortVectors(Driver(client), "docs", layout).judge(records)

    assert verdict.unusable.tolist() == [False, True, True, False]
    assert verdict.stale[1]
    assert verdict.stale[2]
    assert not verdict.missing.any()


def test_rounding_of_float16_is_not_taken_for_another_text(open_engine, vectors):
    client = open_engine("local")
    for distance in ("Cosine", "Dot", "Euclid"):
        layout = CollectionLayout(64, (8, 16), full_name="", distance=distance)
        shorts = ShortVectors(RetryingClient(client), "docs", layout)
        full = vectors(500, 64)
        derived = derive(full, layout)
        records = [
            models.Record.model_construct(
                id=number,
                vector={
                    "": row.astype(np.float16).tolist(),
                    **{name: short[number].tolist() for name, short in derived.items()},
                },
                shard_key=None,
            )
            for number, row in enumerate(full)
        ]
        assert not shorts.judge(records).wrong.any()
        for record in records:
            record.vector["short_8"] = (np.asarray(record.vector["short_8"]) + 0.01).tolist()
        assert shorts.judge(records).stale.all()
