from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from typer.testing import Result

from mrl_adapters import CollectionMismatchError, ConfigurationError, UnknownModelError
from mrl_adapters.cli import stores
from mrl_adapters.cli.engines import make_embedder, open_client
from mrl_adapters.cli.stores import open_existing, open_or_prepare
from mrl_adapters.embeddings import OpenAIEmbedder, WordLlamaEmbedder
from mrl_adapters.qdrant import EdgeClient, connect

Run = Callable[..., Result]


@pytest.mark.parametrize("name", ["wordllama", WordLlamaEmbedder().model])
def test_wordllama_is_made_by_its_short_name_and_by_its_own(name: str) -> None:
    assert isinstance(make_embedder(name), WordLlamaEmbedder)


@pytest.mark.parametrize(
    "name", ["openai:text-embedding-3-small", "text-embedding-3-small", "openai:my-own"]
)
def test_openai_models_are_made_by_prefix_or_by_a_name_of_openais(name: str) -> None:
    embedder = make_embedder(name)
    assert isinstance(embedder, OpenAIEmbedder)
    assert embedder.model == name.removeprefix("openai:")


@pytest.mark.parametrize("name", ["nomic-ai/nomic-embed-text-v1.5", "openai:", "no-such-model"])
def test_a_model_that_anybody_may_run_asks_who_does(name: str) -> None:
    with pytest.raises(UnknownModelError, match=r"who runs it\? Pass --model openai:NAME"):
        make_embedder(name)


def test_two_places_are_one_too_many(tmp_path: Path) -> None:
    places = open_client(tmp_path, "https://127.0.0.1:1", None)
    with pytest.raises(ConfigurationError, match="two places"), places:
        pass


def test_without_a_place_the_users_data_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    with open_client(None, None, "a key from the environment", make=True) as client:
        assert isinstance(client, EdgeClient)
    assert (tmp_path / "mrl-adapters" / "collections").is_dir()


READING = {
    "search": ("search", "docs", "a question"),
    "audit": ("audit", "docs"),
    "repair": ("repair", "docs"),
    "tune": ("tune", "docs"),
    "rotate": ("rotate", "docs"),
    "migrate": ("migrate", "docs"),
    "migrate --dry-run": ("migrate", "docs", "--dry-run"),
    "migrate to a copy": ("migrate", "docs", "--copy-to", "copy"),
}


@pytest.mark.parametrize("command", READING.values(), ids=READING.keys())
def test_a_mistyped_path_is_an_error_that_names_it_and_makes_no_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*command, "--path", "vectros")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: No collections at {tmp_path / 'vectros'}: there is no")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*READING.values(), ("index", ".", "-c", "docs")])
def test_a_folder_of_others_is_an_error_that_names_it_and_leaves_it_as_it_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "collections" / "ansible").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("mine")
    result = run(*command, "--path", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path} is not empty, and not ours: it holds coll")
    assert {each.name for each in tmp_path.rglob("*")} == {"collections", "ansible", "notes.txt"}


def test_a_dry_run_of_a_copy_makes_no_folder_for_it(run: Run, tmp_path: Path) -> None:
    with connect(path=tmp_path / "old") as client:
        open_or_prepare(client, "docs", "wordllama", None, {}).add_texts(["Bees make honey."])
    to = ("--to-path", tmp_path / "new", "--stages", 64)
    result = run("migrate", "docs", "--path", tmp_path / "old", *to, "--dry-run")
    assert "Nothing was written" in " ".join(result.stdout.split())
    assert not (tmp_path / "new").exists()
    run("migrate", "docs", "--path", tmp_path / "old", *to)
    with connect(path=tmp_path / "new", must_exist=True) as client:
        assert client.count("docs").count == 1


def test_sentence_transformers_models_are_made_by_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    made = "mrl_adapters.embeddings.sentence_transformers.SentenceTransformerEmbedder"
    monkeypatch.setattr(made, str.upper)
    assert make_embedder("sentence-transformers:org/name") == "ORG/NAME"


def test_a_model_nobody_knows_tells_its_size_and_is_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = DeterministicFakeEmbedding(size=48)
    monkeypatch.setattr(stores, "make_embedder", lambda _: fake)
    with connect(path=str(tmp_path)) as client:
        store = open_or_prepare(client, "docs", None, None, {})
        layout = store.collection.layout
        assert layout is not None
        assert (layout.dimensions, layout.stages) == (48, (24,))


def test_the_collection_says_which_model_asks(tmp_path: Path) -> None:
    with connect(path=str(tmp_path)) as client:
        open_or_prepare(client, "docs", "wordllama", None, {}).add_texts(["Bees make honey."])
        store = open_existing(client, "docs", None, None)
        assert isinstance(store.embeddings, WordLlamaEmbedder)
        with pytest.raises(CollectionMismatchError, match="text-embedding-3-small"):
            open_existing(client, "docs", "openai:text-embedding-3-small", None)
        with pytest.raises(CollectionMismatchError, match="text-embedding-3-small"):
            open_or_prepare(client, "docs", "openai:text-embedding-3-small", None, {})
