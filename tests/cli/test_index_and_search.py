import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from mrl_adapters import EmbeddingError
from mrl_adapters.cli.indexing import PAYLOAD_INDEXES, FileIndex
from mrl_adapters.cli.walking import find_files
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.progress import Progress
from mrl_adapters.qdrant import CollectionLayout, connect
from mrl_adapters.vectors import FloatArray


@pytest.fixture
def index(run: Any, notes: Path, tmp_path: Path) -> Any:
    """Run the command over the notes; return what it says it did."""

    def invoke(*arguments: object) -> dict[str, Any]:
        place = ("--collection", "notes", "--path", tmp_path / "vectors", "--json")
        result = run("index", notes, *place, *arguments)
        assert result.exit_code == 0
        done: dict[str, Any] = json.loads(result.stdout)
        for key in ("added", "changed", "unchanged", "removed"):
            done[key] = [Path(each).name for each in done[key]]
        return done

    return invoke


@pytest.fixture
def search(run: Any, tmp_path: Path) -> Any:
    """Ask the collection; return its records."""

    def invoke(question: str, *arguments: object) -> list[dict[str, Any]]:
        place = ("--path", tmp_path / "vectors", "--json")
        result = run("search", "notes", question, *place, *arguments)
        assert result.exit_code == 0
        records: list[dict[str, Any]] = json.loads(result.stdout)
        return records

    return invoke


def test_files_of_every_kind_are_found_again(index: Any, search: Any) -> None:
    assert index()["added"] == ["animals.txt", "trains.md", "records.jsonl"]
    assert search("locomotive on rails")[0]["metadata"]["title"] == "Trains"
    assert search("moon")[0]["metadata"]["title"] == "moon"
    honey = search("honey", "-k", 1)
    assert [Path(each["metadata"]["source"]).name for each in honey] == ["animals.txt"]


def test_unchanged_files_are_skipped(index: Any) -> None:
    assert index()["passages"] == 4
    again = index()
    assert again["unchanged"] == ["animals.txt", "trains.md", "records.jsonl"]
    assert (again["added"], again["changed"], again["passages"]) == ([], [], 0)


def test_a_changed_file_is_replaced_and_the_others_left_alone(
    index: Any, search: Any, notes: Path
) -> None:
    index()
    (notes / "animals.txt").write_text("Ducks swim.")
    again = index()
    assert (again["changed"], again["passages"]) == (["animals.txt"], 1)
    texts = [each["text"] for each in search("honey", "-k", 10)]
    assert "Ducks swim." in texts
    assert not any("Bees" in text for text in texts)


def test_a_file_that_became_shorter_leaves_no_passage_behind(
    index: Any, search: Any, notes: Path
) -> None:
    (notes / "animals.txt").write_text("Bees make honey. " * 500)
    assert index()["passages"] > 10
    (notes / "animals.txt").write_text("")
    again = index()
    assert (again["changed"], again["passages"]) == (["animals.txt"], 0)
    assert not any("Bees" in each["text"] for each in search("honey", "-k", 20))


def test_files_that_are_gone_stay_until_they_are_to_be_removed(
    index: Any, search: Any, notes: Path
) -> None:
    index()
    (notes / "animals.txt").unlink()
    assert index()["removed"] == []
    assert "Bees" in search("honey")[0]["text"]
    assert index("--remove-missing")["removed"] == ["animals.txt"]
    assert not any("Bees" in each["text"] for each in search("honey", "-k", 10))


def test_removing_looks_below_the_given_folders_only(
    index: Any, run: Any, notes: Path, tmp_path: Path
) -> None:
    index()
    (notes / "animals.txt").unlink()
    place = ("--collection", "notes", "--path", tmp_path / "vectors", "--json")
    result = run("index", notes / "deep", *place, "--remove-missing")
    assert json.loads(result.stdout)["removed"] == []


@pytest.fixture
def skipping(run: Any, notes: Path, tmp_path: Path) -> Any:
    """Run the command where not all can be read; return exit code, what it did, what it said."""

    def invoke(*arguments: object) -> tuple[int, dict[str, Any], str]:
        place = ("--collection", "notes", "--path", tmp_path / "vectors", "--json")
        result = run("index", notes, *place, *arguments)
        return result.exit_code, json.loads(result.stdout), result.stderr

    return invoke


def test_documents_without_text_are_counted_and_named(skipping: Any, notes: Path) -> None:
    lines = [{"text": text} for text in ("good", "", " \n", "--- []", "also good")]
    (notes / "some.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (notes / "empty.txt").write_text(" \n")
    (notes / "rules.md").write_text("---\n")
    code, done, told = skipping()
    assert code == 0
    assert {Path(path).name: count for path, count in done["blank"].items()} == {
        "some.jsonl": 3,
        "empty.txt": 1,
        "rules.md": 1,
    }
    assert done["passages"] == 4 + 2
    assert "some.jsonl: 3 of its documents hold no text" in told
    assert "empty.txt: it holds no text" in told
    for outcome in (done, skipping()[1]):
        assert {Path(path).name for path in outcome["empty"]} == {"empty.txt", "rules.md"}
        files = [*outcome["added"], *outcome["unchanged"]]
        assert not {"empty.txt", "rules.md"} & {Path(path).name for path in files}
    assert skipping()[1]["blank"] == done["blank"], "also where they are unchanged"


_UNREADABLE = {
    "latin.txt": "Käse".encode("latin-1"),
    "wide.md": "Käse".encode("utf-16"),
    "broken.jsonl": b'{"text": "good"}\n{"text": \n',
    "no text.jsonl": b'{"title": "no text"}\n',
}


def test_files_that_cannot_be_read_are_skipped_counted_and_named(
    skipping: Any, index: Any, notes: Path
) -> None:
    for name, content in _UNREADABLE.items():
        (notes / name).write_bytes(content)
    code, done, told = skipping()
    assert code == 1
    assert done["passages"] == 4, "the readable files are in"
    assert {Path(each["path"]).name for each in done["skipped"]} == set(_UNREADABLE)
    assert all(name in told for name in _UNREADABLE)
    assert told.count("Skipped: ") == told.count("\n") == len(_UNREADABLE)
    for name in _UNREADABLE:
        (notes / name).unlink()
    assert index()["skipped"] == []


@pytest.mark.parametrize("name", ["animals.txt", "records.jsonl"])
def test_what_was_stored_of_a_file_that_cannot_be_read_now_stays(
    index: Any, skipping: Any, search: Any, notes: Path, name: str
) -> None:
    index()
    (notes / name).write_bytes(b"\xff\xff")
    code, done, _ = skipping("--remove-missing")
    assert (code, done["removed"]) == (1, [])
    assert len(search("honey", "-k", 10)) == 4
    (notes / name).unlink()
    (notes / name).symlink_to("nowhere")
    code, done, _ = skipping("--remove-missing")
    assert (code, done["removed"]) == (1, [])
    assert len(search("honey", "-k", 10)) == 4


@pytest.mark.parametrize("emptied", ["deep", "."])
def test_an_empty_folder_may_be_one_that_is_not_mounted(
    index: Any, skipping: Any, search: Any, notes: Path, emptied: str
) -> None:
    index()
    for path in (notes / emptied).rglob("*"):
        if path.is_file():
            path.unlink()
    code, done, told = skipping("--remove-missing")
    assert (code, done["removed"], done["kept"]) == (1, [], [str((notes / emptied).resolve())])
    assert "--remove-emptied" in told
    assert len(search("honey", "-k", 10)) == 4
    code, done, told = skipping("--remove-emptied")
    assert (code, told, done["kept"]) == (0, "", [])
    assert len(done["removed"]) == (1 if emptied == "deep" else 3)


def test_a_folder_that_does_not_exist_removes_nothing(
    index: Any, run: Any, search: Any, notes: Path, tmp_path: Path
) -> None:
    index()
    notes.rename(tmp_path / "elsewhere")
    place = ("--collection", "notes", "--path", tmp_path / "vectors")
    result = run("index", notes, *place, "--remove-missing")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert len(search("honey", "-k", 10)) == 4


def test_lines_that_share_an_id_are_stored_as_often_as_they_are_counted(
    index: Any, search: Any, notes: Path
) -> None:
    lines = [json.dumps({"id": key, "text": f"text {n}"}) for n, key in enumerate([1, "1", 1, "x"])]
    for name in ("records.jsonl", "more.jsonl"):
        (notes / name).write_text("\n".join(lines))
    assert index()["passages"] == 2 + 4 + 4
    assert len(search("text", "-k", 20)) == 10
    (notes / "more.jsonl").write_text("\n".join(lines[:3]))
    assert index()["passages"] == 3
    assert len(search("text", "-k", 20)) == 9
    assert len(index()["unchanged"]) == 4


def test_stages_and_k_are_chosen_by_options(
    index: Any, search: Any, run: Any, tmp_path: Path
) -> None:
    index("--stages", "32,64")
    assert len(search("honey", "-k", 2, "--stages", "32")) == 2
    result = run("search", "notes", "honey", "--stages", 128, "--path", tmp_path / "vectors")
    assert result.exit_code == 1
    assert "stage 128" in result.stderr


def test_a_stage_that_an_existing_collection_lacks_is_an_error(
    index: Any, run: Any, notes: Path, tmp_path: Path
) -> None:
    index("--stages", "64")
    place = ("--collection", "notes", "--path", tmp_path / "vectors")
    result = run("index", notes, *place, "--stages", "32")
    assert result.exit_code == 1
    assert "mrl-adapters migrate notes --stages 32" in result.stderr


@pytest.mark.parametrize("command", [["index", ".", "--collection", "x"], ["search", "x", "q"]])
def test_stages_that_are_no_numbers_are_a_usage_error(run: Any, command: list[str]) -> None:
    result = run(*command, "--stages", "64;128")
    assert result.exit_code == 2
    assert "64,256" in result.stderr


def test_people_read_counts_and_places(
    run: Any, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(notes)
    place = ("--path", tmp_path / "vectors")
    told = run("index", ".", "-c", "notes", *place).stdout
    assert told == "notes: 3 new files; 4 passages embedded\n"
    found = run("search", "notes", "locomotive on rails", "-k", 1, *place).stdout
    assert "deep/trains.md:1  Trains" in found
    assert "A train runs on rails of steel." in found
    found = run("search", "notes", "honey", "-k", 1, *place).stdout
    assert re.search(r"animals\.txt:1 *\n", found), "a text file's name is not said twice"


def test_documents_that_others_wrote_are_shown_by_title_or_id(run: Any, tmp_path: Path) -> None:
    with connect(path=str(tmp_path)) as client:
        store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())
        store.add_texts(
            ["Bees make honey.", "Cows give milk.", "Trains run."],
            [{"title": "About bees"}, {}, {"source": "https://example.org/trains"}],
            ids=["1", "cow", "3"],
        )
    output = run("search", "docs", "honey", "--path", tmp_path).stdout
    assert "About bees" in output
    assert "cow" in output
    assert "https://example.org/trains" in output


def test_a_collection_without_documents_finds_nothing(run: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    place = ("--path", tmp_path / "vectors")
    (tmp_path / "empty" / "a.txt").write_text("something")
    run("index", tmp_path / "empty", "-c", "empty", *place)
    (tmp_path / "empty" / "a.txt").write_text("")
    run("index", tmp_path / "empty", "-c", "empty", *place)
    assert "nothing found" in run("search", "empty", "anything", *place).stdout


# What the command line cannot show: interruptions, and how often the model is called.


class _CountingEmbedder(WordLlamaEmbedder):
    """Counts its calls; can be told to break down at one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.breaks_at: int | None = None

    def embed_array(self, texts: list[str]) -> FloatArray:
        self.calls += 1
        if self.calls == self.breaks_at:
            raise InterruptedError
        if "refuse me" in texts:
            message = "This text has no embedding."
            raise EmbeddingError(message)
        return super().embed_array(texts)


@pytest.fixture
def embedder() -> _CountingEmbedder:
    return _CountingEmbedder()


@pytest.fixture
def store(embedder: _CountingEmbedder, tmp_path: Path) -> Iterator[MatryoshkaVectorStore]:
    layout = CollectionLayout(256, (64,), payload_indexes=PAYLOAD_INDEXES)
    with connect(path=str(tmp_path / "vectors")) as client:
        yield MatryoshkaVectorStore(client, "notes", embedder, layout=layout)


def test_small_files_share_a_call_of_the_model(
    store: MatryoshkaVectorStore, embedder: _CountingEmbedder, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(300)]
    for path in paths:
        path.write_text(f"This is file {path.name}.")
    steps: list[Progress] = []
    outcome = FileIndex(store).update(paths, steps.append)
    assert len(outcome.added) == outcome.passages == 300
    written = sum(path.stat().st_size for path in paths)
    assert steps[-1].done == steps[-1].total == written
    assert embedder.calls == 2


def test_a_run_that_was_interrupted_is_completed_by_the_next(
    store: MatryoshkaVectorStore, embedder: _CountingEmbedder, tmp_path: Path
) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n\n".join(f"Chapter {number}. " + "word " * 140 for number in range(600)))
    embedder.breaks_at = 2
    with pytest.raises(InterruptedError):
        FileIndex(store).update([path])
    stored = store.driver.run(store.collection.count())
    assert 0 < stored < 600
    outcome = FileIndex(store).update([path])
    assert outcome.changed == [path]
    assert store.driver.run(store.collection.count()) == outcome.passages == 600
    assert FileIndex(store).update([path]).unchanged == [path]


def test_old_passages_that_an_interrupted_replacement_left_are_deleted_by_the_next(
    store: MatryoshkaVectorStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Bees make honey. " * 200)
    FileIndex(store).update([path])
    path.write_text("Ducks swim.")
    with monkeypatch.context() as patch:
        patch.setattr(FileIndex, "_delete", _interrupt)
        with pytest.raises(InterruptedError):
            FileIndex(store).update([path])
    assert store.driver.run(store.collection.count()) > 1
    assert FileIndex(store).update([path]).changed == [path]
    assert store.driver.run(store.collection.count()) == 1


def test_a_text_that_the_model_refuses_costs_its_own_file_only(
    store: MatryoshkaVectorStore, embedder: _CountingEmbedder, tmp_path: Path
) -> None:
    for name, text in {"a.txt": "Bees.", "bad.txt": "refuse me", "c.txt": "Cows."}.items():
        (tmp_path / name).write_text(text)
    outcome = FileIndex(store).update(sorted(tmp_path.glob("*.txt")))
    assert [path.name for path in outcome.added] == ["a.txt", "c.txt"]
    assert [each.path.name for each in outcome.skipped] == ["bad.txt"]
    assert store.driver.run(store.collection.count()) == outcome.passages == 2


def test_documents_that_others_stored_of_the_same_file_stay(
    store: MatryoshkaVectorStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    store.add_texts(["theirs", "and this"], [{"source": str(path)}, {"source": str(path)}])
    for text in ("ours", "ours, changed"):
        path.write_text(text)
        FileIndex(store).update([path])
    path.unlink()
    (tmp_path / "b.txt").write_text("other")
    found, outcome = find_files([tmp_path]), FileIndex(store).update([tmp_path / "b.txt"])
    FileIndex(store).remove_missing(found, outcome)
    assert outcome.removed == [path]
    texts = {each.page_content for each in store.similarity_search("ours", 10)}
    assert texts == {"theirs", "and this", "other"}


def test_a_text_index_that_an_index_run_makes_is_told(
    run: Any, tmp_path: Path, notes: Path
) -> None:
    place = ("--collection", "notes", "--path", tmp_path / "vectors")
    run("index", notes, *place)
    made = run("index", notes, "--text-index", *place)
    assert "Text index: made: words find all passages" in " ".join(made.stderr.split())
    assert "Text index" not in run("index", notes, "--text-index", *place).stderr
    hits = run("search", "notes", "honey", "--hybrid", "lexical", *place[2:])
    assert "honey" in hits.stdout


def _interrupt(*_: object, **__: object) -> None:
    raise InterruptedError


def test_signals_are_shown_where_they_are_asked_for(run: Any, tmp_path: Path, notes: Path) -> None:
    place = ("--path", tmp_path / "vectors")
    run("index", notes, "--collection", "notes", "--text-index", *place)
    asked = ("search", "notes", "honey", "-k", 2, *place)
    records = json.loads(run(*asked, "--signals", "--json").stdout)
    first, *others = [each["metadata"]["signals"] for each in records]
    assert all(each == first for each in others)
    shown = " ".join(run(*asked, "--signals").stdout.split())
    assert f"Signals: spread {first['spread']:.3f}, words_spread" in shown
    assert "Signals" not in run(*asked).stdout


@pytest.mark.filterwarnings("ignore::mrl_adapters.qdrant.OneStageWarning")
def test_vectors_of_no_known_model_are_taken_for_wordllamas_and_that_is_told(
    run: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "vectors"
    text = "Bees make honey."
    with connect(path=str(folder)) as client:
        client.create_collection(
            "docs", models.VectorParams(size=256, distance=models.Distance.COSINE)
        )
        vector = WordLlamaEmbedder().embed_query(text)
        point = models.PointStruct(id=1, vector=vector, payload={"page_content": text})
        client.upsert("docs", [point])
    place = ("--path", folder)
    asked = run("search", "docs", "honey", *place)
    assert "Collection 'docs' does not say which model made its vectors" in asked.stderr
    assert "pass --model" in asked.stderr
    assert text in asked.stdout
    told = run("search", "docs", "honey", *place, "--model", "wordllama")
    assert "does not say" not in told.stderr


@pytest.mark.parametrize(
    ("plan", "options", "told"),
    [
        ('{"hybrid": "dbsf"}', ["--hybrid", "rrf"], "hybrid='dbsf', and --hybrid rrf"),
        ('{"hybrid": null}', ["--hybrid", "lexical"], "hybrid=None, and --hybrid lexical"),
        ('{"exact": false}', ["--exact"], "exact=False, and --exact"),
    ],
)
def test_a_plan_and_an_option_that_contradict_each_other_are_refused(
    run: Any, tmp_path: Path, plan: str, options: list[str], told: str
) -> None:
    result = run("search", "notes", "bees", "--path", tmp_path, "--plan", plan, *options)
    assert result.exit_code == 2
    assert told in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())


def test_a_plan_may_say_what_an_option_says(index: Any, search: Any) -> None:
    index("--text-index")
    plan = '{"hybrid": "rrf", "rrf_k": 60}'
    found = search("honey", "--plan", plan, "--hybrid", "rrf")
    assert found == search("honey", "--plan", plan)
