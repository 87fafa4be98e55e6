"""list, info, delete; search's filter, threshold, plan and exact; python -m; Ctrl-C."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models
from typer.testing import CliRunner

from mrl_adapters.cli import index as index_command
from mrl_adapters.cli.app import app
from mrl_adapters.maintenance import describe, list_collections
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, SearchPlan, connect, rotate


@pytest.fixture
def folder(run: Any, notes: Path, tmp_path: Path) -> Path:
    """A folder with three collections: two of ours, of which one is rotated, one of others."""
    place = tmp_path / "vectors"
    for name, stages in {"notes": "128", "turned": "2"}.items():
        arguments = ["index", notes, "--collection", name, "--stages", stages, "--path", place]
        assert run(*arguments).exit_code == 0
    with connect(path=place) as client:
        client.create_collection(
            "other",
            vectors_config={
                "a": models.VectorParams(
                    size=4, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16
                ),
                "b": models.VectorParams(size=5, distance=models.Distance.COSINE),
            },
            sparse_vectors_config={"words": models.SparseVectorParams()},
        )
        client.upsert("other", [models.PointStruct(id=1, vector={"a": [1.0] * 4}, payload={})])
        rotate(client, "turned")
    return place


def test_list_names_every_collection_but_what_belongs_to_one(run: Any, folder: Path) -> None:
    told = run("list", "--path", folder)
    assert told.exit_code == 0
    rows = [line.split() for line in told.stdout.splitlines()]
    assert [row[0] for row in rows] == ["Collection", "notes", "other", "turned"]
    listed = json.loads(run("list", "--path", folder, "--json").stdout)
    assert [(one["name"], one["ours"], one["stages"]) for one in listed] == [
        ("notes", True, [128]),
        ("other", False, []),
        ("turned", True, [2]),
    ]
    with connect(path=folder) as client:
        assert [one.to_dict() for one in list_collections(client)] == [
            {**one, "stages": tuple(one["stages"]), "vectors": tuple(one["vectors"])}
            | {"sparse": tuple(one["sparse"])}
            for one in listed
        ]


def test_list_of_nothing_says_so(run: Any, tmp_path: Path) -> None:
    connect(path=tmp_path / "empty").close()
    assert "No collections" in run("list", "--path", tmp_path / "empty").stdout


def test_info_shows_vectors_and_what_serves_searches(run: Any, folder: Path) -> None:
    told = run("info", "turned", "--path", folder).stdout
    for part in ("mrl-adapters", "word-llama", "256, Cosine", "2, rotated", "int8 codes"):
        assert part in told
    assert "scanned: no graph is built yet" in told
    told = run("info", "other", "--path", folder).stdout
    for part in ("another program", "not said", "float16", "'words': sparse"):
        assert part in told
    with connect(path=folder) as client:
        [first, second] = describe(client, "other").vectors
    assert (first.bytes, second.bytes) == (8, 20)


def test_info_of_what_is_not_there_names_what_is(run: Any, folder: Path) -> None:
    told = run("info", "note", "--path", folder)
    assert told.exit_code == 1
    assert "'note' does not exist; there is notes, other, turned" in told.stderr


def test_a_built_graph_is_said_to_serve(run: Any, tmp_path: Path) -> None:
    with connect(path=tmp_path / "v") as client:
        client.create_collection(
            "c",
            vectors_config=models.VectorParams(size=64, distance=models.Distance.COSINE),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
        )
        points = [
            models.PointStruct(id=n, vector=[float(n % 7), 1.0] * 32, payload={})
            for n in range(900)
        ]
        client.upsert("c", points)
    assert "by graphs" in run("info", "c", "--path", tmp_path / "v").stdout


def test_delete_asks(run: Any, folder: Path) -> None:
    def asked(answer: str) -> Any:
        arguments = ["delete", "turned", "--path", str(folder)]
        return CliRunner().invoke(app, arguments, input=answer)

    for answer in ("n\n", "\n", ""):
        refused = asked(answer)
        assert refused.exit_code == 1
        assert "Delete 'turned': 4 points?" in refused.stdout
    assert len(json.loads(run("list", "--path", folder, "--json").stdout)) == 3
    assert asked("y\n").exit_code == 0
    with connect(path=folder) as client:  # its rotation is gone, too
        names = {one.name for one in client.get_collections().collections}
    assert names == {"notes", "other"}


def test_delete_does_not_ask_where_it_is_told_to_and_names_whose_it_is(
    run: Any, folder: Path
) -> None:
    asked = CliRunner().invoke(app, ["delete", "other", "--path", str(folder)], input="n\n")
    assert "which mrl-adapters did not make" in asked.stdout
    assert run("delete", "other", "--yes", "--path", folder).stdout == "other: deleted, 1 points.\n"
    assert run("delete", "other", "--yes", "--path", folder).exit_code == 1


@pytest.mark.parametrize("hybrid", [None, "rrf"])
def test_info_tells_of_a_plan_what_it_goes_by(run: Any, folder: Path, hybrid: Any) -> None:
    with connect(path=folder) as client:
        notes = MatryoshkaCollection("notes")
        Driver(client).run(notes.save_plan(SearchPlan(oversampling=3, hybrid=hybrid)))
    told = run("info", "notes", "--path", folder).stdout
    assert "oversampling 3" in told
    assert ("rrf_k" in told) == ("weights" in told) == (hybrid is not None)


def test_delete_refuses_an_alias(run: Any, folder: Path) -> None:
    with connect(path=folder) as client:
        alias = models.CreateAlias(collection_name="notes", alias_name="current")
        client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    told = run("delete", "current", "--yes", "--path", folder)
    assert told.exit_code == 1
    assert "'current' is an alias" in told.stderr
    assert "notes" in run("list", "--path", folder).stdout


def test_search_takes_filter_threshold_plan_and_exact(run: Any, folder: Path) -> None:
    def found(*options: str) -> list[dict[str, Any]]:
        return json.loads(
            run("search", "notes", "moon", "--json", "--path", folder, *options).stdout
        )

    everything = found()
    assert len(everything) == 4
    wanted = {"title": "moon"}
    assert [hit["id"] for hit in found("--filter", json.dumps(wanted))] == [everything[0]["id"]]
    between = str((everything[0]["score"] + everything[1]["score"]) / 2)
    assert found("--threshold", between) == everything[:1]
    assert [hit["id"] for hit in found("--exact")] == [hit["id"] for hit in everything]
    assert found("--plan", '{"oversampling": 2}') == everything


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--filter", "title=Moon"), "expected a JSON object"),
        (("--filter", "[1]"), "expected a JSON object"),
        (("--plan", "[" * 100_000), "expected a JSON object"),
        (("--plan", '{"oversamplng": 2}'), "oversamplng"),
        (("--filter", '{"a": {"$near": 1}}'), r"$near"),
        (("--threshold", "high"), "expected a number"),
    ],
)
def test_search_refuses_what_it_cannot_read(
    run: Any, folder: Path, options: tuple[str, ...], why: str
) -> None:
    told = run("search", "notes", "moon", "--path", folder, *options)
    assert told.exit_code
    assert why in told.stderr.replace("\n", " ")


def test_the_module_is_the_command() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "mrl_adapters", "--version"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert told.stdout.startswith("mrl-adapters ")


def test_ctrl_c_says_that_the_command_goes_on(
    run: Any, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mrl_adapters.cli import engines

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engines, "open_client", interrupted)
    told = run("index", notes, "--collection", "n", "--path", tmp_path / "v")
    assert told.exit_code == 130
    assert "Interrupted: Run the same command again, and it goes on." in told.stderr
    assert index_command.index.__doc__
