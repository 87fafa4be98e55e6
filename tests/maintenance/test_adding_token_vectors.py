"""Token vectors for a collection that exists: added, replaced, completed, audited, after kills."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from five_texts import SIZE, TEXTS, documents, nodes, vectors
from qdrant_client import models

from mrl_adapters.embeddings import WordLlamaTokens
from mrl_adapters.errors import CollectionMismatchError, ConfigurationError, MigrationError
from mrl_adapters.qdrant import (
    CollectionLayout,
    CopyTarget,
    Driver,
    MatryoshkaCollection,
    MissingShortVectorsWarning,
    Search,
    SparseVectors,
    TokenVectors,
    audit,
    connect,
    migrate,
    plan_migration,
    repair,
)
from mrl_adapters.vectors import normalize

TOKENS = 64
ENCODER = WordLlamaTokens(TOKENS)
WANTED = TokenVectors("colbert", TOKENS, ENCODER)


@pytest.fixture(params=["edge", "local", pytest.param("server", marks=pytest.mark.server)])
def client(request: Any, open_engine: Callable[[str], Any]) -> Any:
    return open_engine(request.param)


def fill(client: Any, payloads: list[dict[str, Any]], **options: Any) -> None:
    docs = MatryoshkaCollection("docs", layout=CollectionLayout(SIZE, (8,), **options))
    Driver(client).run(docs.add([*range(len(payloads))], vectors(len(payloads)), payloads))


def scores(
    client: Any, question: str, name: str = "docs", tokens: TokenVectors = WANTED
) -> dict[int, float]:
    layout = CollectionLayout(SIZE, (8,), late_interaction=tokens)
    docs = MatryoshkaCollection(name, layout=layout)
    search = Search(vectors()[0], 10, text=question)
    [hits] = Driver(client).run(docs.search([search], {"late_interaction": True}))
    return {int(hit.id): hit.score for hit in hits}


def max_sim(question: str, size: int = TOKENS, distance: str = "Cosine") -> dict[int, float]:
    """Sum the best match of each of a question's tokens, in every text."""
    prepared = normalize if distance == "Cosine" else np.asarray
    encoder = WordLlamaTokens(size)
    asked = prepared(encoder.embed_query(question))
    held = map(prepared, encoder.embed_documents(TEXTS))
    return {n: float((asked @ each.T).max(axis=1).sum()) for n, each in enumerate(held)}


@pytest.mark.parametrize("payloads", [documents(), nodes()], ids=["documents", "nodes"])
def test_a_collection_gets_token_vectors_from_its_texts(
    client: Any, payloads: list[dict[str, Any]]
) -> None:
    fill(client, payloads)
    plan = plan_migration(client, "docs", late_interaction=WANTED)
    assert plan.steps == (
        f"compute the token vectors of 5 texts by {WANTED.model}, as vector 'colbert'",
    )
    done = migrate(client, "docs", late_interaction=WANTED)
    assert (done.late_interaction, done.written, done.settled) == ("colbert", 5, True)
    assert (done.stages, done.sparse, done.text_index) == ((8,), None, None)
    question = "a running dog"
    assert scores(client, question) == pytest.approx(max_sim(question), abs=0.02)
    again = migrate(client, "docs", late_interaction=WANTED)
    assert (again.written, again.resumed) == (0, True)
    assert plan_migration(client, "docs", late_interaction=WANTED).steps == ()
    params = client.get_collection("docs").config.params.vectors["colbert"]
    if params.hnsw_config is not None:  # local mode keeps no settings of vectors that are added
        assert (params.hnsw_config.m, params.on_disk, params.datatype.value) == (0, True, "float16")


def test_it_goes_with_all_else_that_a_migration_adds(client: Any) -> None:
    vector = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config={"full": vector})
    points = [
        models.PointStruct(id=n, vector={"full": row.tolist()}, payload=payload)
        for n, (row, payload) in enumerate(zip(vectors(), documents(), strict=True))
    ]
    client.upsert("docs", points)
    wanted: dict[str, Any] = {"sparse": SparseVectors(), "late_interaction": WANTED}
    plan = plan_migration(client, "docs", stages=[8], **wanted)
    assert [step.split()[0] for step in plan.steps[-2:]] == ["weigh", "compute"]
    done = migrate(client, "docs", stages=[4, 8], **wanted)
    assert (done.stages, done.sparse, done.late_interaction) == ((4, 8), "sparse", "colbert")
    copied = migrate(client, "docs", stages=[4], mode="copy", target=CopyTarget("copy"), **wanted)
    assert (copied.sparse, copied.late_interaction, copied.settled) == ("sparse", "colbert", True)
    assert scores(client, "a stone", "copy") == pytest.approx(scores(client, "a stone"))
    assert audit(client, "copy").ok


def test_a_copy_is_made_with_what_its_source_lacks(client: Any) -> None:
    fill(client, documents())
    migrate(client, "docs", mode="copy", target="copy", stages=[8], late_interaction=WANTED)
    assert scores(client, "stones", "copy") == pytest.approx(max_sim("stones"), abs=0.02)
    assert "colbert" not in client.get_collection("docs").config.params.vectors


def test_others_take_the_place_of_those_that_are_there(client: Any) -> None:
    fill(client, documents(), late_interaction=WANTED)
    longer = TokenVectors("colbert", 128, WordLlamaTokens(128), distance="Dot")
    with pytest.raises(CollectionMismatchError, match=r"migrate.client, 'docs', late_interaction="):
        scores(client, "a dog", tokens=longer)
    assert migrate(client, "docs", late_interaction=longer).written == len(TEXTS)
    expected = max_sim("a dog", 128, "Dot")
    assert scores(client, "a dog", tokens=longer) == pytest.approx(expected, abs=0.02)
    renamed = TokenVectors("tokens", 128, WordLlamaTokens(128))
    assert migrate(client, "docs", late_interaction=renamed).written == len(TEXTS)
    held = client.get_collection("docs").config.params.vectors
    assert {"tokens"} == {name for name, each in held.items() if each.multivector_config}


def test_what_another_program_wrote_is_not_replaced(client: Any) -> None:
    vector = models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
    many = vector.model_copy(update={"multivector_config": WANTED.params().multivector_config})
    client.create_collection("docs", vectors_config={"full": vector, "colbert": many})
    with pytest.raises(MigrationError, match=r"does not say.*late_interaction=TokenVectors"):
        migrate(client, "docs", late_interaction=WANTED)
    with pytest.raises(MigrationError, match="choose another name"):
        migrate(client, "docs", late_interaction=TokenVectors("full", TOKENS, ENCODER))
    with pytest.raises(MigrationError, match="choose another name"):
        migrate(client, "docs", sparse=SparseVectors(name="colbert"))


def test_without_an_encoder_nothing_is_added(client: Any) -> None:
    fill(client, documents())
    with pytest.raises(ConfigurationError, match="is not at hand"):
        migrate(client, "docs", late_interaction=TokenVectors("colbert", TOKENS))
    assert "colbert" not in client.get_collection("docs").config.params.vectors


def test_a_broken_encoder_leaves_what_a_next_run_completes(client: Any) -> None:
    class Failing(WordLlamaTokens):
        def embed_documents(self, texts: list[str]) -> Any:
            raise MemoryError

    fill(client, documents())
    with pytest.raises(MemoryError):
        migrate(client, "docs", late_interaction=TokenVectors("colbert", TOKENS, Failing(TOKENS)))
    with pytest.warns(MissingShortVectorsWarning, match="5 points lack the token vectors"):
        assert scores(client, "a dog") == {}
    done = migrate(client, "docs", late_interaction=WANTED)
    assert (done.written, done.resumed, done.settled) == (5, True, True)
    assert scores(client, "a dog") == pytest.approx(max_sim("a dog"), abs=0.02)


def test_points_that_lack_them_are_told_of_counted_and_completed(client: Any) -> None:
    fill(client, documents(), late_interaction=WANTED)
    client.delete_vectors("docs", vectors=["colbert"], points=[1, 3], wait=True)
    report = audit(client, "docs")
    assert (report.without_tokens, report.missing, report.ok) == (2, 0, False)
    assert sorted(report.examples["without_tokens"]) == [1, 3]
    fix = "migrate(client, 'docs', late_interaction=mrl_adapters.qdrant.TokenVectors('colbert', 64"
    [advice] = [each for each in report.recommendations if each.topic == "late_interaction"]
    assert fix in advice.fix
    done = repair(client, "docs")
    [left] = done.left
    assert left.startswith("2 points lack the token vectors 'colbert'")
    assert fix in left
    assert migrate(client, "docs", late_interaction=WANTED).written == 2
    assert audit(client, "docs").ok
    assert repair(client, "docs").left == ()


def test_texts_without_tokens_match_nothing_and_lack_nothing(client: Any) -> None:
    payloads = documents()
    payloads[2] = {"page_content": ""}
    fill(client, payloads)
    done = migrate(client, "docs", late_interaction=WANTED)
    assert (done.written, done.settled) == (5, True)
    found = scores(client, "a dog")
    assert (len(found), found[2]) == (5, 0.0)
    assert audit(client, "docs").ok
    fresh = {"page_content": " "}
    docs = MatryoshkaCollection(
        "docs", layout=CollectionLayout(SIZE, (8,), late_interaction=WANTED)
    )
    Driver(client).run(docs.add([9], vectors(1), [fresh]))
    assert {1, 9} < {*scores(client, "a dog")}
    assert audit(client, "docs").ok


CHILD = """
import sys, time
import numpy as np
from mrl_adapters.maintenance import text_vectors
from mrl_adapters.qdrant import TokenVectors, connect, migrate

class Slow:
    model_name = "slow"

    def embed_documents(self, texts):
        time.sleep(0.01)
        return [np.full((2, 4), len(text)) for text in texts]

    def embed_query(self, text):
        return np.ones((1, 4))

with connect(path=sys.argv[1]) as client:
    print("begin", flush=True)
    wanted = TokenVectors("colbert", 4, Slow(), distance="Dot")
    done = migrate(client, "docs", late_interaction=wanted)
    print("end", done.settled, flush=True)
"""


def test_a_killed_run_goes_on(tmp_path: Any) -> None:
    texts = ["x" * (1 + n % 90) for n in range(1_000)]
    with connect(path=str(tmp_path)) as client:
        rows = np.random.default_rng(0).standard_normal((len(texts), SIZE))
        docs = MatryoshkaCollection("docs", layout=CollectionLayout(SIZE, (8,)))
        payloads = [{"page_content": text} for text in texts]
        Driver(client).run(docs.add([*range(len(texts))], rows, payloads))
    rng = random.Random(3)
    for _ in range(4):
        child = start(tmp_path)
        time.sleep(rng.uniform(0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.communicate()
    child = start(tmp_path)
    assert child.communicate()[0] == "end True\n"
    with connect(path=str(tmp_path)) as client:
        assert audit(client, "docs").ok
        held, _ = client.scroll("docs", limit=len(texts), with_vectors=["colbert"])
        assert {each.id for each in held} == {*range(len(texts))}
        for each in held:
            assert np.array_equal(each.vector["colbert"], np.full((2, 4), len(texts[each.id])))
        assert client.get_collection("docs").config.params.vectors["colbert"].hnsw_config.m == 0


def start(folder: Any) -> "subprocess.Popen[str]":
    child = subprocess.Popen(  # noqa: S603 - this interpreter, this file's own script
        [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begin\n"
    return child
