"""Every contender finds what the exact search finds, once it is made to look hard enough."""

import itertools

import pytest

from mrl_adapters.bench import BenchData, ClientSide, FullGraph, TwoStage, line_up
from mrl_adapters.bench.contender import Contender, describe, identifier, row_of
from mrl_adapters.bench.contenders import COLLECTION
from mrl_adapters.bench.frameworks import ReadyEmbeddings, framework_contenders
from mrl_adapters.bench.matching import Judge
from mrl_adapters.bench.process import Session
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant import EdgeClient

EVERYBODY = [*line_up(32, 16), TwoStage((16,), rotated=True)]


@pytest.mark.parametrize("contender", EVERYBODY, ids=lambda each: each.name)
def test_the_hardest_setting_finds_the_exact_neighbours(
    contender: Contender, data: BenchData, data_folder, tmp_path
):
    session = Session(contender, data_folder, tmp_path / "engine", 5)
    loaded = session.load()
    assert loaded.load_s > 0
    assert session.open() > 0
    hardest = contender.chains(32, 5, 600)[-1][-1]
    ids, seconds = session.answer(data.queries[[0, 7, 59]], hardest)
    # So few vectors weigh less than what the rest of this process gives back meanwhile: what is
    # held is measured in processes of their own (test_run.py).
    assert isinstance(session.memory(), int)
    session.close()
    assert (seconds > 0).all()
    assert Judge(data, 5).overlap([0, 7, 59], ids).mean() > 0.95


@pytest.mark.parametrize("contender", EVERYBODY, ids=lambda each: each.name)
def test_everything_is_stored(contender: Contender, data_folder, tmp_path):
    Session(contender, data_folder, tmp_path / "engine", 5).load()
    with EdgeClient(tmp_path / "engine") as client:
        assert client.count(COLLECTION).count == 600


def test_names_are_told_apart():
    names = [each.name for each in EVERYBODY]
    assert len(set(names)) == len(names)


def test_a_document_is_named_by_its_row():
    names = [identifier(row) for row in (0, 1, 2**40)]
    assert list(map(row_of, names)) == [0, 1, 2**40]


def test_settings_are_said_in_few_words():
    def first_and_last(contender: Contender) -> list[str]:
        settings = list(itertools.chain(*contender.chains(32, 10, 600)))
        return [describe(settings[0]), describe(settings[-1])]

    assert first_and_last(FullGraph()) == ["ef 16", "ef 2048"]
    assert first_and_last(FullGraph("int8"))[-1] == "ef 2048, 8 x k re-ranked"
    assert first_and_last(ClientSide(16)) == ["10 candidates", "600 candidates"]
    assert first_and_last(TwoStage((16,))) == ["10 candidates", "150 candidates, ef 600"]
    assert describe(None) == "no choice"


def test_a_funnel_uses_all_of_its_stages():
    chains = TwoStage((8, 16)).chains(32, 10, 600)
    assert {plan.stages for chain in chains for plan in chain} == {(8, 16)}


def test_stores_whose_packages_are_missing_are_left_out(monkeypatch):
    def only_llama(name: str) -> object:
        if name == "llama_index.vector_stores.qdrant":
            raise ModuleNotFoundError(name)
        return object() if name.startswith(("llama_index", "mrl_adapters")) else None

    monkeypatch.setattr("mrl_adapters.bench.frameworks.find_spec", only_llama)
    assert [each.name for each in framework_contenders((16,))] == [
        "LlamaIndex, MatryoshkaVectorStore"
    ]


def test_frameworks_can_be_left_out():
    assert not [each for each in line_up(32, 16, frameworks=False) if each.needs]


@pytest.mark.parametrize("stage", [3, 32])
def test_a_stage_that_does_not_fit_is_refused(stage: int):
    with pytest.raises(ConfigurationError, match="expected 4 to 31"):
        line_up(32, stage)


async def test_ready_embeddings_have_langchains_four_names(data: BenchData):
    ready = ReadyEmbeddings({"a": data.queries[0]})
    assert ready.embed_query("a") == await ready.aembed_query("a")
    assert ready.embed_documents(["a"]) == await ready.aembed_documents(["a"])
