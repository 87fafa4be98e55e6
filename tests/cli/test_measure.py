import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.vector_stores import VectorStoreQuery

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation.docstrings import docstrings
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.llama_index import MatryoshkaVectorStore as LlamaIndexStore
from mrl_adapters.qdrant import CollectionLayout, SearchPlan, TextIndex, connect


@pytest.fixture
def texts(tmp_path: Path, library: Path) -> Path:
    """Docstrings as JSON lines."""
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"id": each.id, "text": each.text}) for each in docstrings(library)]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with collection ``docs`` of 1,200 texts, enough to prove something by."""
    folder = tmp_path_factory.mktemp("indexed")
    subjects = ("bees", "cows", "trains", "stars", "files", "sockets", "songs", "rivers")
    texts = [f"{subject} of kind {n} and {n % 7}" for n in range(150) for subject in subjects]
    with connect(path=str(folder)) as client:
        store = MatryoshkaVectorStore(
            client, "docs", WordLlamaEmbedder(), layout=CollectionLayout(256, (64,))
        )
        store.add_texts(texts)
    return folder


def test_a_curve_is_measured_over_ones_own_texts(run: Any, texts: Path) -> None:
    output = run("curve", texts, "--dimensions", "128,64", "-k", 5).stdout
    assert "overlap@5" in output
    for size in ("256", "128", "64"):
        assert any(line.split()[:2] == ["|", size] for line in output.splitlines())


def test_a_curve_as_json_has_rotated_rows_if_asked(run: Any, texts: Path) -> None:
    options = ("--dimensions", "64", "--rotated", "--json", "--oversampling", 4)
    result = json.loads(run("curve", texts, *options).stdout)
    assert result["oversampling"] == 4
    assert {row["rotated"] for row in result["rows"]} == {False, True}


def test_a_beir_folder_is_measured_by_its_judgements(run: Any, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    documents = [{"_id": str(n), "text": f"text about subject {n}"} for n in range(50)]
    queries = [{"_id": "q", "text": "subject 7"}]
    for name, records in {"corpus": documents, "queries": queries}.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t7\t1\n")
    result = json.loads(run("curve", tmp_path, "--dimensions", 64, "--json").stdout)
    assert result["rows"][0]["ndcg"] is not None


@pytest.mark.slow
def test_without_data_the_standard_library_is_measured(run: Any) -> None:
    result = json.loads(run("curve", "--dimensions", 64, "--json").stdout)
    assert result["dataset"] == "standard library docstrings"


def test_a_curve_is_drawn_if_asked(run: Any, texts: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run("curve", texts, "--dimensions", 64, "--plot", tmp_path / "curve.svg")
    assert "Drawn into" in result.stderr
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")


def test_sizes_that_are_no_numbers_are_a_usage_error(run: Any) -> None:
    result = run("curve", "--dimensions", "all")
    assert result.exit_code == 2
    assert "--dimensions" in result.stderr


def test_tuning_finds_a_plan_and_saves_it(run: Any, indexed: Path) -> None:
    options = ("--target-overlap", 0.9, "--path", indexed)
    result = run("tune", "docs", *options, "--save")
    assert "overlap@10" in result.stdout
    assert "The plan is stored with docs" in result.stderr
    with connect(path=str(indexed)) as client:
        metadata = client.get_collection("docs").config.metadata
        assert metadata is not None
        saved = SearchPlan.from_stored(metadata["mrl_adapters"]["plan"])
        ours = MatryoshkaVectorStore.from_existing_collection(
            "docs", WordLlamaEmbedder(), client=client
        )
        theirs = LlamaIndexStore("docs", client=client)
        ours.similarity_search("bees")
        question = WordLlamaEmbedder().embed_query("bees")
        theirs.query(VectorStoreQuery(query_embedding=question, similarity_top_k=3))
        assert saved == ours.collection.plan == theirs.collection.plan != SearchPlan()


def test_tuning_takes_real_questions(run: Any, indexed: Path, tmp_path: Path) -> None:
    asked = [f"which {what} number {n}" for n in range(100) for what in ("bees", "songs", "stars")]
    path = tmp_path / "questions.txt"
    path.write_text("\n".join(asked))
    options = ("--questions", path, "--target-overlap", 0.8, "--path", indexed, "--json")
    result = json.loads(run("tune", "docs", *options).stdout)
    assert result["queries_from"] == "given"
    assert result["chosen"]["queries"] == 150, "half of the questions report"


def test_questions_with_known_answers_weigh_words(run: Any, indexed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "judged"
    (folder / "qrels").mkdir(parents=True)
    texts = {str(n): f"part number{n} of the machine" for n in range(300)}
    queries = {f"q{n}": f"number{n}" for n in range(300)}
    for name, each in {"corpus": texts, "queries": queries}.items():
        lines = [json.dumps({"_id": key, "text": text}) for key, text in each.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    judged = [f"q{n}\t{n}\t1" for n in range(300)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    options = ("--judged", folder, "--target-overlap", 0.8)
    refused = run("tune", "docs", *options, "--path", indexed)
    assert refused.exit_code == 1
    assert "text index" in refused.stderr
    layout = CollectionLayout(256, (64,), text_index=TextIndex())
    with connect(path=str(tmp_path / "store")) as client:
        store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder(), layout=layout)
        store.add_texts(list(texts.values()), ids=list(texts))
    told = run("tune", "docs", *options, "--path", tmp_path / "store", "--save")
    assert "Words help: " in told.stdout
    with connect(path=str(tmp_path / "store")) as client:
        metadata = client.get_collection("docs").config.metadata
        assert metadata is not None
        assert metadata["mrl_adapters"]["plan"]["hybrid"] is not None


@pytest.mark.parametrize(
    ("name", "content"),
    [("questions.txt", "bees\n\ncows\n"), ("questions.jsonl", '"bees"\n{"text": "cows"}\n')],
)
def test_too_few_questions_are_one_line(
    run: Any, indexed: Path, tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    result = run("tune", "docs", "--questions", path, "--path", indexed)
    assert result.exit_code == 1
    assert "found 2" in result.stderr


@pytest.mark.parametrize("name", ["asked.txt", "asked.jsonl"])
@pytest.mark.parametrize("command", [("tune", "docs"), ("recommend", "docs", "--memory", "1MB")])
def test_a_file_without_questions_is_told(
    run: Any, indexed: Path, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    path = tmp_path / name
    path.write_text("\n \n", "utf-8")
    result = run(*command, "--questions", path, "--path", indexed)
    assert result.exit_code == 1
    assert f"{path} holds no question. Write one a line" in result.stderr.replace("\n", " ")
