import shlex

import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient

import mrl_adapters.evaluation
from mrl_adapters.qdrant import connect
from mrl_adapters.qdrant.commands import command, usual_stages


@pytest.mark.parametrize(
    "name", ["docs", "my docs", "it's", "$(id)", "a;b", "bücher", "-docs", "--stages", "a\nb"]
)
def test_a_name_of_any_letters_is_one_word_of_the_line(name, tmp_path):
    with connect(path=tmp_path / "a 'store'") as client:
        line = command("migrate", name, stages=(8, 16), client=client)
    words = shlex.split(line)
    assert words.count(name) + (name == "--stages") * -1 == 1
    assert words[words.index("--path") + 1] == str(tmp_path / "a 'store'")
    assert ("--" in words) == name.startswith("-")


@pytest.mark.filterwarnings("ignore:Failed to obtain server version")
@pytest.mark.parametrize("kind", [QdrantClient, AsyncQdrantClient])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ({"url": "https://a.b:6333", "api_key": "secret"}, "https://a.b:6333"),
        ({"host": "127.0.0.1", "port": 1, "prefix": "under"}, "http://127.0.0.1:1/under"),
    ],
)
def test_a_servers_address_is_told_and_its_key_is_not(kind, given, told):
    client = kind(**given, check_compatibility=False)
    line = command("audit", "docs", client=client)
    assert line == f"mrl-adapters audit docs --url {told}"


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("migrate", "migrate(client, 'docs', stages=(8,), full_name='dense')"),
        ("rotate", "rotate(client, 'docs', stages=(8,), full_name='dense')"),
    ],
)
def test_for_the_local_mode_it_is_a_call(verb, call):
    client = QdrantClient(":memory:")
    line = command(verb, "docs", stages=(8,), full_name="dense", client=client)
    assert line == f"mrl_adapters.qdrant.{call}"


def test_for_a_folder_of_the_local_mode_migrating_is_moving(tmp_path):
    folder = tmp_path / "my docs"
    client = QdrantClient(path=str(folder))
    line = command("migrate", "docs", stages=(8,), full_name="dense", client=client)
    client.close()
    place = f"--from-local '{folder}' --path '{folder}_two_stage'"
    assert line == f"mrl-adapters migrate docs --stages 8 --full-name dense {place}"


def test_for_the_local_mode_tuning_is_a_call_of_evaluation(monkeypatch):
    client = QdrantClient(":memory:")
    line = command("tune", "docs", "--save", client=client)
    monkeypatch.setattr(mrl_adapters.evaluation, "tune", lambda store: store)
    store = eval(line)  # noqa: S307 - the line is to be run as it stands
    assert store.collection.name == "docs"
    assert store.driver.client is client


def test_for_the_local_mode_measuring_again_keeps_what_was_asked(monkeypatch):
    client = QdrantClient(":memory:")
    options = ["--memory", "200000000", "-k", "5", "--target-overlap", "0.9"]
    line = command("recommend", "docs", *options, client=client)
    monkeypatch.setattr(mrl_adapters.evaluation, "recommend", lambda store, **given: given)
    assert eval(line) == {"memory_bytes": 200_000_000, "k": 5, "target_overlap": 0.9}  # noqa: S307


@pytest.mark.parametrize(("dimensions", "stages"), [(1536, (256,)), (32, (16,)), (1, (1,))])
def test_the_stages_proposed_are_shorter_than_the_full_vectors(dimensions, stages):
    assert usual_stages(dimensions) == stages
