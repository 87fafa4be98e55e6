"""Reading documents, queries and judgements."""

import gzip
import json
from pathlib import Path

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from mrl_adapters import ConfigurationError
from mrl_adapters.evaluation import Dataset, from_documents, load_beir, load_jsonl, load_qrels

CORPUS = [
    {"_id": "d1", "title": "Cats", "text": "purr"},
    {"_id": "d2", "title": "", "text": "Dogs bark"},
]
QUERIES = [{"_id": "q1", "text": "who purrs"}, {"_id": "q2", "text": "not judged"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"


@pytest.fixture(params=["plain", "gz"])
def beir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    files = {
        "corpus.jsonl": "\n".join(map(json.dumps, CORPUS)),
        "queries.jsonl": "\n".join(map(json.dumps, QUERIES)) + "\n\n",
        "qrels/test.tsv": QRELS,
    }
    (tmp_path / "pets" / "qrels").mkdir(parents=True)
    for name, text in files.items():
        path = tmp_path / "pets" / name
        if request.param == "gz":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
    return tmp_path / "pets"


def test_a_beir_folder_is_read_plain_or_compressed(beir: Path) -> None:
    dataset = load_beir(beir)
    assert dataset == Dataset(
        documents={"d1": "Cats purr", "d2": "Dogs bark"},
        queries={"q1": "who purrs"},
        qrels={"q1": {"d1": 2, "d2": 0}},
        name="pets",
    )


def test_a_missing_file_is_named(beir: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"qrels/dev\.tsv does not exist"):
        load_beir(beir, split="dev")


def test_a_judged_query_without_text_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"1 judged queries have no text.*'q9'"):
        Dataset(documents={"d": "x"}, queries={}, qrels={"q9": {"d": 1}})


def test_a_dataset_without_documents_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="'dataset' has no documents"):
        Dataset(documents={})


def test_plain_json_lines_may_be_strings_or_objects(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('\ufeff"first"\n\n{"text": "third", "id": 7}\n', encoding="utf-8")
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"doc_id": "q", "text": "which?"}\n')
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("q\t7\t1\n")
    dataset = load_jsonl(path, queries=queries, qrels=qrels)
    assert dataset.documents == {"1": "first", "7": "third"}
    assert dataset.queries == {"q": "which?"}
    assert dataset.qrels == {"q": {"7": 1}}
    assert dataset.name == "notes"
    assert load_jsonl(path).queries == {}


@pytest.mark.parametrize("line", ["{broken", '{"body": 1}', "12", '{"text": null}'])
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(f'"good"\n{line}\n')
    with pytest.raises(ConfigurationError, match=r"notes\.jsonl, line 2"):
        load_jsonl(path)


@pytest.mark.parametrize("ids", [["a", "a"], [1, "1"], [2, None]])
def test_two_lines_of_one_id_are_an_error(tmp_path: Path, ids: list[object]) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("\n".join(json.dumps({"id": key, "text": "x"}) for key in ids))
    with pytest.raises(ConfigurationError, match=r"notes\.jsonl, line 2 has the id"):
        load_jsonl(path)


def test_two_grades_of_one_document_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(f"{QRELS}q1\td1\t2\n")
    assert load_qrels(path) == {"q1": {"d1": 2, "d2": 0}}
    path.write_text(f"{QRELS}q1\td1\t1\n")
    with pytest.raises(ConfigurationError, match=r"qrels\.tsv, line 4 grades 'd1' for 'q1'"):
        load_qrels(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x1f\x8b broken"])
@pytest.mark.parametrize("name", ["notes.jsonl", "notes.jsonl.gz"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"notes\.jsonl.* cannot be read"):
        load_jsonl(tmp_path / name)


def test_a_bad_judgement_is_named_by_file_and_number(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(f"{QRELS}q1 d2 1\n")
    with pytest.raises(ConfigurationError, match=r"qrels\.tsv, line 4: expected query id"):
        load_qrels(path)


def test_documents_of_both_frameworks_and_strings_are_read_as_they_are_embedded() -> None:
    node = TextNode(
        text="node",
        id_="n1",
        metadata={"seen": 1, "unseen": 2},
        excluded_embed_metadata_keys=["unseen"],
    )
    dataset = from_documents(
        [
            Document(page_content="page", id="l1", metadata={"a": 1}),
            Document(page_content="anonymous"),
            node,
            NodeWithScore(node=TextNode(text="scored", id_="n2"), score=0.5),
            "plain",
        ],
        queries={"q": "?"},
        qrels={"q": {"l1": 1}},
        name="mixed",
    )
    assert dataset.documents == {
        "l1": "page",
        "1": "anonymous",
        "n1": "seen: 1\n\nnode",
        "n2": "scored",
        "4": "plain",
    }
    assert (dataset.queries, dataset.qrels, dataset.name) == (
        {"q": "?"},
        {"q": {"l1": 1}},
        "mixed",
    )


def test_two_documents_of_one_id_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="Document 1 has the id 'a' of an earlier one"):
        from_documents([Document(page_content="x", id="a"), Document(page_content="y", id="a")])


def test_an_unknown_object_is_named_by_its_type() -> None:
    with pytest.raises(ConfigurationError, match="document of type int"):
        from_documents([1])


def test_every_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('"good"\n{"text": bad}\n{"other": 1}\n' + "[]\n" * 9, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_jsonl(path)
    told = str(caught.value)
    for number in range(2, 7):
        assert f"line {number}" in told
    assert "line 7" not in told
    assert told.endswith("; and 6 more lines.")
