"""Documents whose vector is all zeros are kept, told of, and found by no search."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    ZeroVectorsWarning,
    audit,
)
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.qdrant.opening import UnrotatedWarning
from mrl_adapters.qdrant.query import Search

Drive = Callable[..., Any]
Documents = Callable[..., np.ndarray]
LAYOUT = CollectionLayout(32, (8,))


def found(drive: Drive, docs: MatryoshkaCollection, vector: np.ndarray, **plan: Any) -> list[Any]:
    (hits,) = drive(docs.search([Search(vector, 100)], plan or None))
    return [hit.payload["n"] for hit in hits]


@pytest.mark.parametrize("full_name", ["full", ""])
def test_a_zero_vector_replaces_what_was_there_and_is_found_by_no_search(
    client: Client, drive: Drive, name: str, documents: Documents, full_name: str
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), full_name=full_name))
    vectors = documents(3)
    drive(docs.add(["a", "b", "c"], vectors, [{"n": 0}, {"n": 1}, {"n": 2}]))
    with pytest.warns(ZeroVectorsWarning, match=rf"'{name}': the vectors of 1 documents \('b'\)"):
        assert drive(docs.add(["b"], [[0.0] * 32], [{"n": 9}])) == 1
    assert sorted(found(drive, docs, vectors[1])) == [0, 2]
    assert sorted(found(drive, docs, vectors[1], exact=True)) == [0, 2]
    (record,) = drive(docs.get(["b"], with_vectors=True))
    assert (record.payload["n"], record.vector or {}) == (9, {})
    keys = models.FieldCondition(key="n", match=models.MatchValue(value=9))
    assert len(drive(docs.scroll(models.Filter(must=[keys])))) == 1
    drive(docs.add(["b"], vectors[1:2], [{"n": 1}]))
    assert found(drive, docs, vectors[1])[0] == 1
    drive(docs.delete(["b"]))
    assert drive(docs.count()) == 2


@pytest.mark.parametrize("seed", range(5))
def test_any_mixture_keeps_every_document(
    driver: Driver, name: str, documents: Documents, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    docs = MatryoshkaCollection(name, layout=LAYOUT)
    zero = dict.fromkeys(range(40), False)
    for _ in range(4):
        some = rng.choice(40, 30)  # with twins, of which the last counts
        blank = rng.random(30) < rng.random()
        vectors = np.where(blank[:, None], 0, documents(30, seed=seed)).astype(np.float32)
        zero |= dict(zip(some.tolist(), blank.tolist(), strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZeroVectorsWarning)
            payloads = [{"n": each} for each in some.tolist()]
            driver.run(docs.add([str(each) for each in some], vectors, payloads))
        kept = {record.payload["n"] for record in driver.run(docs.scroll()) if record.payload}
        assert sorted(found(driver.run, docs, documents(1)[0])) == sorted(
            each for each in kept if not zero[each]
        )
    report = audit(driver.client, name)
    assert report.without_full == sum(zero[each] for each in kept)
    assert (report.missing, report.stale, report.zero) == (0, 0, 0)


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_they_do_not_come_before_what_is_far_from_a_question(
    driver: Driver, name: str, documents: Documents, distance: Any
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), distance=distance))
    (text,) = documents(1)
    vectors = np.vstack([text, -text, np.zeros_like(text)])  # zeros lie between the two
    with pytest.warns(ZeroVectorsWarning, match=r"\('z'\)"):
        driver.run(docs.add(["a", "b", "z"], vectors, [{"n": 0}, {"n": 1}, {"n": 2}]))
    assert found(driver.run, docs, text) == found(driver.run, docs, text, exact=True) == [0, 1]
    assert driver.run(docs.count()) == 3


def test_a_collection_of_nothing_else_opens_without_advice_to_repair_it(
    client: Client, drive: Drive, name: str, documents: Documents
) -> None:
    docs, ids = MatryoshkaCollection(name, layout=LAYOUT), [str(each) for each in range(7)]
    with pytest.warns(ZeroVectorsWarning, match=r"of 7 documents \('0', '1', '2', '3', '4', \.{3}"):
        drive(docs.add(ids, np.zeros((7, 32)), [{}] * 7))
    again = MatryoshkaCollection(name)
    assert drive(again.count()) == 7
    assert found(drive, again, documents(1)[0]) == []


def test_a_load_of_many_batches_warns_once(driver: Driver, name: str, documents: Documents) -> None:
    load = Load(MatryoshkaCollection(name, layout=LAYOUT))
    batch = documents(3)
    batch[1] = 0
    for start in range(0, 9, 3):
        driver.run(load.add([str(start + row) for row in range(3)], batch, [{}] * 3))
    with pytest.warns(ZeroVectorsWarning) as told:
        driver.run(load.finish())
    (warning,) = told
    assert r"of 3 documents ('1', '4', '7')" in str(warning.message)


def test_a_rotation_is_fitted_on_the_others(
    driver: Driver, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), rotation="auto"))
    vectors = np.vstack([np.zeros((20, 32), dtype=np.float32), documents(40)])
    with pytest.warns(ZeroVectorsWarning):
        driver.run(docs.add([str(row) for row in range(60)], vectors, [{"n": 0}] * 60))
    assert docs.layout is not None
    assert docs.layout.rotation is not None
    assert len(found(driver.run, docs, vectors[30])) == 40


def test_blank_pages_do_not_count_as_enough_to_fit_a_rotation_on(
    driver: Driver, name: str, documents: Documents
) -> None:
    docs = MatryoshkaCollection(name, layout=CollectionLayout(32, (8,), rotation="auto"))
    vectors = np.vstack([np.zeros((40, 32), dtype=np.float32), documents(4)])
    with pytest.warns(UnrotatedWarning, match="found 4"), pytest.warns(ZeroVectorsWarning):
        driver.run(docs.add([str(row) for row in range(44)], vectors, [{}] * 44))
    assert driver.run(docs.count()) == 44
