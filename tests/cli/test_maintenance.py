"""migrate, rotate, audit and repair, over a collection that somebody else wrote."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

import mrl_adapters.qdrant
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import save_plan
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, SearchPlan, connect
from mrl_adapters.qdrant.points import point_id

_POINTS = 120


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with collection ``old``: one unnamed vector a point, as stock stores write it."""
    folder = tmp_path / "old"
    vectors = np.random.default_rng(1).standard_normal((_POINTS, 32)).tolist()
    with connect(path=str(folder)) as client:
        client.create_collection("old", models.VectorParams(size=32, distance="Cosine"))
        client.upsert(
            "old",
            [
                models.PointStruct(id=number, vector=vector, payload={"page_content": "text"})
                for number, vector in enumerate(vectors)
            ],
        )
    return folder


@pytest.fixture
def two_stage(tmp_path: Path) -> Path:
    """A folder with collection ``docs``, which has short vectors."""
    folder = tmp_path / "two_stage"
    with connect(path=str(folder)) as client:
        store = MatryoshkaVectorStore(
            client, "docs", WordLlamaEmbedder(), layout=CollectionLayout(256, (64,))
        )
        store.add_texts(
            [f"text number {number}" for number in range(100)], ids=map(str, range(100))
        )
    return folder


def sizes(client: EdgeClient, name: str) -> dict[str, int]:
    vectors = client.get_collection(name).config.params.vectors
    assert isinstance(vectors, dict)
    return {key: each.size for key, each in vectors.items()}


def drop_short(folder: Path, *ids: str) -> None:
    """Do what a stock store does that replaces points: their short vectors are gone."""
    with connect(path=str(folder)) as client:
        client.upsert(
            "docs",
            [
                models.PointStruct(id=point_id(each), vector={"full": [1.0] * 256}, payload={})
                for each in ids
            ],
        )


def test_migrating_in_place_adds_short_vectors(run: Any, place: Path) -> None:
    result = run("migrate", "old", "--stages", "8,16", "--path", place)
    assert "old: 120 points have short vectors (8, 16), 120 of them from this run" in " ".join(
        result.stdout.split()
    )
    with connect(path=str(place)) as client:
        assert sizes(client, "old") == {"": 32, "short_8": 8, "short_16": 16}


def test_a_dry_run_says_what_would_happen_and_does_not_do_it(run: Any, place: Path) -> None:
    told = " ".join(
        run("migrate", "old", "--stages", 8, "--path", place, "--dry-run").stdout.split()
    )
    assert "120 points of 32 dimensions" in told
    assert "add 'short_8' to collection 'old'" in told
    assert "Nothing was written." in told
    options = ("--stages", 8, "--path", place, "--dry-run", "--json")
    assert json.loads(run("migrate", "old", *options).stdout)["points_to_write"] == _POINTS
    assert json.loads(run("audit", "old", "--path", place, "--json").stdout)["stages"] == []


def test_a_copy_leaves_the_collection_as_it_is(run: Any, place: Path) -> None:
    options = ("--stages", 8, "--path", place, "--json")
    done = json.loads(run("migrate", "old", "--copy-to", "new", *options).stdout)
    assert (done["mode"], done["target_name"], done["points"]) == ("copy", "new", _POINTS)
    with connect(path=str(place)) as client:
        assert sizes(client, "new")["short_8"] == 8
        assert isinstance(client.get_collection("old").config.params.vectors, models.VectorParams)


def test_a_copy_goes_to_another_engine_and_the_source_away_if_asked(
    run: Any, place: Path, tmp_path: Path
) -> None:
    target = ("--to-path", tmp_path / "other", "--delete-source")
    run("migrate", "old", *target, "--stages", 8, "--path", place)
    with connect(path=str(tmp_path / "other")) as client:
        assert client.count("old").count == _POINTS
    with connect(path=str(place)) as client:
        assert not client.collection_exists("old")


@pytest.mark.parametrize("option", [("--alias", "live"), ("--delete-source",)])
def test_what_belongs_to_a_copy_is_a_usage_error_without_one(
    run: Any, place: Path, option: tuple[str, ...]
) -> None:
    result = run("migrate", "old", "--path", place, *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr
    assert "--copy-to" in result.stderr


def test_points_without_a_usable_vector_are_told(run: Any, place: Path) -> None:
    with connect(path=str(place)) as client:
        client.upsert("old", [models.PointStruct(id=999, vector={}, payload={})])
    told = " ".join(run("migrate", "old", "--stages", 8, "--path", place).stdout.split())
    assert "1 have no usable full vector" in told


def test_rotating_replaces_the_short_vectors(run: Any, two_stage: Path) -> None:
    told = " ".join(
        run("rotate", "docs", "--stages", 32, "--yes", "--path", two_stage).stdout.split()
    )
    assert "100 of 100 points have new short vectors (32), made with rotation" in told
    assert json.loads(run("audit", "docs", "--path", two_stage, "--json").stdout)["stages"] == [32]
    again = json.loads(run("rotate", "docs", "--path", two_stage, "--json").stdout)
    assert again["stages"] == [32]


def test_rotating_asks_before_it_drops_stages(run: Any, two_stage: Path) -> None:
    before = run("info", "docs", "--path", two_stage).stdout
    asked = run("rotate", "docs", "--stages", 32, "--path", two_stage)
    assert asked.exit_code == 1
    assert "drops stages 64" in asked.stderr
    planned = run("rotate", "docs", "--stages", 32, "--dry-run", "--path", two_stage, "--json")
    assert json.loads(planned.stdout)["dropped_stages"] == [64]
    told = run("rotate", "docs", "--stages", 32, "--dry-run", "--path", two_stage).stdout
    assert "Dropped: stages 64. Nothing was written." in " ".join(told.split())
    assert run("info", "docs", "--path", two_stage).stdout == before


def test_migrating_can_learn_a_rotation(run: Any, place: Path) -> None:
    run("migrate", "old", "--stages", 8, "--rotate", "--path", place)
    with connect(path=str(place)) as client:
        assert "short_8" not in sizes(client, "old")
    assert run("audit", "old", "--path", place).exit_code == 0


def test_a_sound_collection_passes_its_audit(run: Any, two_stage: Path) -> None:
    result = run("audit", "docs", "--path", two_stage)
    assert result.exit_code == 0
    assert "docs: 100 points, stages 64" in result.stdout
    assert "Vectors read: those of all 100 points." in result.stdout
    assert "Two-stage search finds every point." in result.stdout
    sampled = run("audit", "docs", "--path", two_stage, "--sample", 10).stdout
    assert "Vectors read: those of 10 of 100 points, drawn at random" in sampled
    assert "Nothing is wrong with those." in sampled
    assert "finds every point" not in sampled
    assert "What holds of the others was not looked at" in " ".join(sampled.split())


def test_an_audit_that_finds_something_exits_with_1_and_repair_mends_it(
    run: Any, two_stage: Path
) -> None:
    drop_short(two_stage, "7", "8")
    result = run("audit", "docs", "--path", two_stage)
    assert result.exit_code == 1
    assert "\n2  lack a short vector" in result.stdout
    assert "mrl-adapters repair docs" in result.stdout
    report = json.loads(run("audit", "docs", "--path", two_stage, "--json").stdout)
    assert (report["ok"], report["missing"]) == (False, 2)
    assert run("repair", "docs", "--path", two_stage).stdout == (
        "docs: 2 points filled, 0 corrected.\n"
    )
    assert run("audit", "docs", "--path", two_stage).exit_code == 0
    again = json.loads(run("repair", "docs", "--path", two_stage, "--json").stdout)
    assert (again["filled"], again["corrected"]) == (0, 0)
    assert run("repair", "docs", "--path", two_stage).stdout == "docs: nothing to mend.\n"


def test_a_collection_without_short_vectors_is_sound_and_told_of_migrate(
    run: Any, place: Path
) -> None:
    result = run("audit", "old", "--path", place)
    assert result.exit_code == 0
    assert "It has no short vectors" in result.stdout
    assert "mrl-adapters migrate old" in result.stdout


def test_stages_are_dropped_and_added_again(run: Any, two_stage: Path) -> None:
    told = run("migrate", "docs", "--stages", "none", "--path", two_stage).stdout
    assert "points have full vectors alone" in " ".join(told.split())
    report = json.loads(run("audit", "docs", "--path", two_stage, "--json").stdout)
    assert (report["stages"], report["ok"]) == ([], True)
    told = run("migrate", "docs", "--stages", 64, "--path", two_stage).stdout
    assert "points have short vectors (64)" in " ".join(told.split())
    assert json.loads(run("audit", "docs", "--path", two_stage, "--json").stdout)["stages"] == [64]


def test_repair_tells_of_points_that_it_cannot_mend(run: Any, two_stage: Path) -> None:
    with connect(path=str(two_stage)) as client:
        client.upsert("docs", [models.PointStruct(id=999, vector={}, payload={})])
    assert "1 have no usable full vector" in run("repair", "docs", "--path", two_stage).stdout


@pytest.mark.parametrize("command", ["migrate", "repair"])
def test_a_run_that_others_kept_from_settling_says_so(
    run: Any, place: Path, two_stage: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    real = getattr(mrl_adapters.qdrant, command)

    def restless(*arguments: Any, **options: Any) -> Any:
        facts = {"corrected": 3, "settled": False}
        return dataclasses.replace(real(*arguments, **options), **facts)

    monkeypatch.setattr(mrl_adapters.qdrant, command, restless)
    options = ("old", "--stages", 8, "--path", place) if command == "migrate" else ()
    result = run(command, *(options or ("docs", "--path", two_stage)))
    told = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "3 " in told
    assert told.endswith("Others wrote meanwhile: run it again when they are done.")


@pytest.mark.parametrize("command", ["migrate", "rotate"])
def test_a_saved_plan_that_goes_is_told(run: Any, two_stage: Path, command: str) -> None:
    with connect(path=str(two_stage)) as client:
        store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())
        store.add_texts([f"more {number}" for number in range(100)])
        save_plan(store, SearchPlan())
    yes = ["--yes"] if command == "rotate" else []
    if command == "rotate":
        asked = run(command, "docs", "--stages", 128, "--path", two_stage)
        assert "drops stages 64 and the plan that tune had saved" in asked.stderr
    told = run(command, "docs", "--stages", 128, *yes, "--path", two_stage).stdout
    told = " ".join(told.split())
    assert "The search plan that tune had saved is gone" in told
    assert told.endswith(f"mrl-adapters tune docs --save --path {two_stage}")
    again = run(command, "docs", "--stages", 128, "--path", two_stage)
    assert "tune" not in again.stdout


def test_a_rotation_that_was_begun_with_other_stages_is_finished_first(
    run: Any, two_stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(EdgeClient, "update_vectors", _pull_the_plug)
        with pytest.raises(InterruptedError):
            run("rotate", "docs", "--stages", 16, "--yes", "--path", two_stage)
    told = " ".join(
        run("rotate", "docs", "--stages", 32, "--yes", "--path", two_stage).stdout.split()
    )
    assert "new short vectors (16)" in told
    assert "An earlier run had begun with stages 16, and was finished." in told


def _pull_the_plug(*_: object, **__: object) -> None:
    raise InterruptedError


def test_the_full_vector_can_be_named(run: Any, tmp_path: Path) -> None:
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    with connect(path=str(tmp_path)) as client:
        client.create_collection("docs", {"dense": params, "title": params})
        vectors = np.random.default_rng(1).standard_normal((40, 32)).tolist()
        client.upsert(
            "docs",
            [
                models.PointStruct(id=number, vector={"dense": vector})
                for number, vector in enumerate(vectors)
            ],
        )
    refused = run("rotate", "docs", "--stages", 8, "--path", tmp_path)
    assert "--full-name" in refused.stderr
    options = ("--full-name", "dense", "--path", tmp_path)
    assert run("rotate", "docs", "--stages", 8, *options).exit_code == 0
    assert run("audit", "docs", *options).exit_code == 0
    assert run("repair", "docs", *options).exit_code == 0


def test_recommendations_are_told_with_what_to_do(run: Any, two_stage: Path) -> None:
    with connect(path=str(two_stage)) as client:
        store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())
        store.add_texts([f"more {n}" for n in range(150)], [{"author": "Ada"}] * 150)
    assert "Recommendation: " in run("audit", "docs", "--path", two_stage).stdout


def test_vectors_without_meaning_are_counted(run: Any, two_stage: Path) -> None:
    with connect(path=str(two_stage)) as client:
        point = models.PointStruct(id=999, vector={"full": [1.0] + [0.0] * 255}, payload={})
        client.upsert("docs", [point])
    run("repair", "docs", "--path", two_stage)
    result = run("audit", "docs", "--path", two_stage)
    assert "\n1  end in many zeros" in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize("command", ["migrate", "rotate", "audit", "repair", "tune"])
def test_a_collection_that_does_not_exist_is_one_line(
    run: Any, tmp_path: Path, command: str
) -> None:
    connect(path=tmp_path).close()
    result = run(command, "nothing", "--path", tmp_path)
    assert result.exit_code == 1
    assert "'nothing' does not exist" in result.stderr
    assert result.stderr.count("\n") == 1
