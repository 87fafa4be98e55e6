"""Points that were stored without vectors go wherever their collection goes."""

import numpy as np
import pytest

from mrl_adapters.qdrant import (
    CollectionLayout,
    CopyTarget,
    Driver,
    MatryoshkaCollection,
    ZeroVectorsWarning,
    audit,
    migrate,
    repair,
    rotate,
)

BLANK = {"3", "50", "99"}


@pytest.fixture
def docs(client, vectors):
    made = vectors(100)
    made[[int(each) for each in BLANK]] = 0
    collection = MatryoshkaCollection("docs", layout=CollectionLayout(32, (8,)))
    ids = [str(number) for number in range(100)]
    with pytest.warns(ZeroVectorsWarning):
        Driver(client).run(collection.add(ids, made, [{"page_content": each} for each in ids]))
    return client


def _check(client, name="docs"):
    records, _ = client.scroll(name, limit=1_000, with_vectors=True, with_payload=True)
    assert sorted(int(each.payload["page_content"]) for each in records) == list(range(100))
    bare = {each.payload["page_content"] for each in records if not each.vector}
    assert bare == BLANK
    report = audit(client, name)
    assert (report.without_full, report.missing, report.stale) == (len(BLANK), 0, 0)
    assert {str(each) for each in report.examples["without_full"]} == BLANK


def test_other_stages_in_place(docs):
    assert migrate(docs, "docs", stages=(4, 16)).settled
    _check(docs)


def test_a_copy(docs):
    assert migrate(docs, "docs", stages=(8,), mode="copy", target=CopyTarget("copy")).settled
    _check(docs, "copy")
    _check(docs)


def test_a_rotation(docs):
    assert rotate(docs, "docs").settled
    _check(docs)


def test_a_repair(docs):
    done = repair(docs, "docs")
    assert (done.filled, done.corrected, done.unusable) == (0, 0, len(BLANK))
    _check(docs)


def test_a_repair_of_what_another_writer_left(docs, vectors):
    docs.delete_vectors("docs", ["short_8"], points=[1, 3])
    assert repair(docs, "docs").filled == 1
    _check(docs)
    assert np.isfinite(docs.retrieve("docs", [1], with_vectors=True)[0].vector["short_8"]).all()
