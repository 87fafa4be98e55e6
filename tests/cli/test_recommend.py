"""``mrl-adapters recommend``, as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mrl_adapters.cli.app import app
from mrl_adapters.cli.recommend import amount
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect

pytestmark = pytest.mark.usefixtures("in_memory")

RUN = CliRunner()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200MB", 200_000_000),
        ("1.5G", 1_500_000_000),
        ("10M", 10_000_000),
        ("7", 7),
        ("2 kb", 2_000),
    ],
)
def test_amounts_are_read_with_their_unit(text: str, expected: int) -> None:
    assert amount(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1e400", "5 parsecs", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a number such as"):
        amount(text)


def vectors(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((20, 32))[rng.integers(20, size=count)]
    return (centres + 0.5 * rng.standard_normal((count, 32))).astype(np.float32)


def test_vectors_of_a_file_get_a_layout(tmp_path: Path) -> None:
    file = tmp_path / "vectors.npy"
    np.save(file, vectors(200))
    options = ["recommend", str(file), "--target-overlap", "0.5", "--memory", "50MB"]
    done = RUN.invoke(app, [*options, "--points", "1000", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["points"], told["memory_limit_bytes"]) == (1_000, 50_000_000)
    assert "CollectionLayout(32, stages=" in told["chosen"]["code"]
    page = tmp_path / "frontier.html"
    done = RUN.invoke(app, [*options, "--points", "1000", "--json", "--html", str(page)])
    assert f"Written into {page}" in done.stderr
    assert "Which layout to take" in page.read_text("utf-8")
    refused = RUN.invoke(app, [*options, "--apply"])
    assert refused.exit_code == 2


def test_judged_questions_are_asked_of_a_files_texts_by_their_ids(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    names = [f"d{row}" for row in range(200)]
    texts = {name: f"Passage {name} tells of the number {row}" for row, name in enumerate(names)}
    lines = [json.dumps({"_id": name, "text": text}) for name, text in texts.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    (tmp_path / "queries.jsonl").write_text("\n".join(lines[:30]))
    grades = [f"{name}\t{name}\t1" for name in names[:30]]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(["query\tcorpus\tscore", *grades]))
    file, options = tmp_path / "corpus.jsonl", ["--target-overlap", "0.5", "--json"]
    done = RUN.invoke(app, ["recommend", str(file), "--judged", str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    for option in json.loads(done.stdout)["options"]:
        assert option["judged"]["questions"] == 30
        assert option["judged"]["recall"] > 0.5


def test_a_collection_is_migrated_to_what_it_gets(tmp_path: Path) -> None:
    with connect(path=tmp_path) as client:
        docs = MatryoshkaCollection("docs", layout=CollectionLayout(32, ()))
        rows = vectors(200)
        Driver(client).run(docs.add(list(range(len(rows))), rows, [{}] * len(rows)))
    asked = ["recommend", "docs", "--path", str(tmp_path), "--target-overlap", "0.5", "--apply"]
    declined = RUN.invoke(app, asked, input="n\n")
    assert declined.exit_code == 1
    assert "'docs'" in declined.stderr
    with connect(path=tmp_path) as client:
        before = MatryoshkaCollection("docs")
        assert Driver(client).run(before.open(must_exist=True)) is not None
        assert before.plan.min_candidates == 100
    done = RUN.invoke(app, [*asked, "--yes"])
    assert done.exit_code == 0, done.output
    assert "200 points of 32 dimensions" in done.output
    with connect(path=tmp_path) as client:
        opened = MatryoshkaCollection("docs")
        assert Driver(client).run(opened.open(must_exist=True)) is not None
        assert opened.plan.min_candidates != 100
