"""What quality is measured on: documents, queries and judgements.

LangChain documents and LlamaIndex nodes are recognised by their attributes: nothing of either
framework is imported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.records import file_lines, read_records


@dataclass(frozen=True)
class Dataset:
    """Documents, queries and, where somebody judged them, which documents answer which query.

    Args:
        documents: Text of each document by its id.
        queries: Text of each query by its id; may be empty, and is then sampled from the
            documents where that makes sense.
        qrels: Relevance grade of documents by query id and document id, as in BEIR and TREC;
            empty where nothing was judged.
        name: What reports call this dataset.

    Raises:
        ConfigurationError: There is no document, or a judgement belongs to no query.
    """

    documents: Mapping[str, str]
    queries: Mapping[str, str] = field(default_factory=dict)
    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    name: str = "dataset"

    def __post_init__(self) -> None:
        """Refuse what every measurement would stumble over later."""
        if not self.documents:
            msg = f"Dataset {self.name!r} has no documents. Pass at least one."
            raise ConfigurationError(msg)
        if orphans := [query for query in self.qrels if query not in self.queries]:
            msg = (
                f"Dataset {self.name!r}: {len(orphans)} judged queries have no text, the first "
                f"is {orphans[0]!r}. Pass their texts in queries or leave their qrels out."
            )
            raise ConfigurationError(msg)


def load_beir(folder: str | Path, *, split: str = "test") -> Dataset:
    """Read a folder in BEIR's layout; each file may be plain or compressed (.gz).

    Title and text of a document are joined by a space, as BEIR does. Only queries with a
    judgement in the split are kept.

    Args:
        folder: Holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv.
        split: Name of the judgements' file.

    Returns:
        The dataset, named after the folder.

    Raises:
        ConfigurationError: A file is missing, a line cannot be read or has the id of another; the
            message names both.

    Source:
        Thakur et al. 2021, arXiv:2104.08663; file layout: github.com/beir-cellar/beir.
    """
    folder = Path(folder)
    documents = _texts(_plain_or_gz(folder / "corpus.jsonl"))
    queries = _texts(_plain_or_gz(folder / "queries.jsonl"))
    qrels = load_qrels(_plain_or_gz(folder / "qrels" / f"{split}.tsv"))
    return Dataset(
        documents=documents,
        queries={query: queries[query] for query in queries if query in qrels},
        qrels=qrels,
        name=folder.resolve().name,
    )


def load_jsonl(
    documents: str | Path,
    *,
    queries: str | Path | None = None,
    qrels: str | Path | None = None,
) -> Dataset:
    """Read plain JSON lines: a string, or an object with ``text`` and perhaps ``title``, ``id``.

    Args:
        documents: One document a line. One without an id (``_id``, ``id`` or ``doc_id``) is
            called by its line number, counted from 1.
        queries: One query a line, in the same form.
        qrels: Judgements as in BEIR: query id, document id and grade between tabs.

    Returns:
        The dataset, named after the documents' file.

    Raises:
        ConfigurationError: A file is missing, a line cannot be read or has the id of another; the
            message names both.
    """
    path = Path(documents)
    return Dataset(
        documents=_texts(path),
        queries={} if queries is None else _texts(Path(queries)),
        qrels={} if qrels is None else load_qrels(Path(qrels)),
        name=path.name.partition(".")[0],
    )


def load_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Read judgements: query id, document id and grade between tabs, with or without a header.

    Args:
        path: A .tsv or .tsv.gz file.

    Returns:
        Grade by query id and document id.

    Raises:
        ConfigurationError: The file is missing, a line has another form, or two disagree.
    """
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    for number, line in file_lines(path):
        cells = line.split("\t")
        try:
            query, document, grade = cells
            judged = int(grade)
        except ValueError as error:
            if number == 1:
                continue  # a header: its grade column is a word
            msg = (
                f"{path}, line {number}: expected query id, document id and a whole number "
                f"between tabs, found {line[:80]!r}."
            )
            raise ConfigurationError(msg) from error
        if qrels.setdefault(query, {}).setdefault(document, judged) != judged:
            msg = f"{path}, line {number} grades {document!r} for {query!r} otherwise than before."
            raise ConfigurationError(msg)
    return qrels


def from_documents(
    documents: Iterable[object],
    *,
    queries: Mapping[str, str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    name: str = "documents",
) -> Dataset:
    """Take LangChain documents, LlamaIndex nodes or plain strings.

    Args:
        documents: Told apart by their attributes: ``page_content`` (LangChain),
            ``get_content`` (LlamaIndex, read as it is embedded: with its metadata), or strings.
            One without an id is called by its position, counted from 0.
        queries: Text of each query by its id.
        qrels: Grade by query id and document id.
        name: What reports call this dataset.

    Returns:
        The dataset.

    Raises:
        ConfigurationError: An object is none of the three, or two have the same id.
    """
    texts: dict[str, str] = {}
    for position, document in enumerate(documents):
        key, text = _read(document)
        key = str(position) if key is None else key
        if key in texts:
            msg = f"Document {position} has the id {key!r} of an earlier one. Ids must be unique."
            raise ConfigurationError(msg)
        texts[key] = text
    return Dataset(documents=texts, queries=queries or {}, qrels=qrels or {}, name=name)


def _read(document: Any) -> tuple[str | None, str]:
    """Get id and text of one document of any framework."""
    if isinstance(document, str):
        return None, document
    if isinstance(content := getattr(document, "page_content", None), str):
        key = getattr(document, "id", None)
        return (None if key is None else str(key)), content
    if callable(get_content := getattr(document, "get_content", None)):
        # LlamaIndex's MetadataMode is an enumeration of strings, so its value will do.
        return str(document.node_id), str(get_content(metadata_mode="embed"))
    msg = (
        f"Cannot read a document of type {type(document).__name__}: expected a string, a "
        "LangChain Document or a LlamaIndex node."
    )
    raise ConfigurationError(msg)


def _texts(path: Path) -> dict[str, str]:
    """Read the text of each line of a JSON lines file by its id."""
    texts: dict[str, str] = {}
    for record in read_records(file_lines(path), path):
        if record.id in texts:
            msg = (
                f"{path}, line {record.line} has the id {record.id!r} of an earlier line. Ids must "
                "be unique; a line without one is called by its number."
            )
            raise ConfigurationError(msg)
        texts[record.id] = record.text
    return texts


def _plain_or_gz(path: Path) -> Path:
    """Prefer the plain file, else its compressed twin."""
    compressed = path.with_name(f"{path.name}.gz")
    return compressed if compressed.is_file() and not path.is_file() else path
