"""Open what the options name: an engine, an embedder, a store."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import platformdirs

from mrl_adapters import registry
from mrl_adapters.embeddings import Embedder, OpenAIEmbedder, WordLlamaEmbedder, model_name
from mrl_adapters.errors import ConfigurationError, UnknownModelError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import (
    CollectionLayout,
    Driver,
    MatryoshkaCollection,
    SearchPlan,
    connect,
)
from mrl_adapters.qdrant.driver import Client

_WORDLLAMA = "wordllama"
_WORDLLAMA_MODEL = "dleemiller/word-llama-l2-supercat"
_STAGE = 256  # of models that the registry does not hold


def open_client(path: Path | None, url: str | None, api_key: str | None) -> Client:
    """Open an engine.

    Args:
        path: Folder of the embedded engine; None takes the user's data folder.
        url: Address of a server, instead.
        api_key: The server's key; of no use with a path, where it may come from the environment.

    Raises:
        ConfigurationError: Both path and url are given.
        EngineError: Another process has the path open.
    """
    if url is None:
        folder = path or platformdirs.user_data_path("mrl-adapters") / "collections"
        return connect(path=str(folder))
    if path is not None:
        msg = f"--path {path} and --url {url} are two places. Pass one of them."
        raise ConfigurationError(msg)
    return connect(url=url, api_key=api_key)


def make_embedder(name: str) -> Embedder:
    """Make the embedder of a name, as the options and collections spell it.

    Args:
        name: ``wordllama``, ``openai:NAME``, ``sentence-transformers:NAME``, or a model's own
            name as a collection keeps it.

    Raises:
        UnknownModelError: It does not say who runs that model.
        MissingExtraError: The embedder's package is not installed.
    """
    provider, _, model = name.partition(":")
    if provider == "openai" and model:
        return OpenAIEmbedder(model)
    if provider == "sentence-transformers" and model:
        from mrl_adapters.embeddings.sentence_transformers import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(model)
    if name in {_WORDLLAMA, _WORDLLAMA_MODEL}:
        return WordLlamaEmbedder()
    spec = registry.find(name)
    if spec is not None and spec.takes_dimensions is not None:  # known of OpenAI's own only
        return OpenAIEmbedder(spec.name)
    msg = (
        f"Model {name!r}: who runs it? Pass --model openai:NAME (any server that speaks OpenAI's "
        "API: set OPENAI_BASE_URL), --model sentence-transformers:NAME, or --model wordllama."
    )
    raise UnknownModelError(msg)


def open_existing(
    client: Client, name: str, model: str | None, stages: tuple[int, ...] | None
) -> MatryoshkaVectorStore:
    """Open a collection that exists.

    Args:
        client: Where it is.
        name: Its name.
        model: Who embeds the questions; None takes the model that wrote it.
        stages: Which of its short vectors to search; None takes them all.

    Raises:
        CollectionMismatchError: It does not exist, or was written by another model.
    """
    layout = _layout(client, name)
    plan = SearchPlan(stages=stages) if stages else None
    embedder = make_embedder(model or (layout.model if layout else None) or _WORDLLAMA)
    return MatryoshkaVectorStore.from_existing_collection(embedder, name, client=client, plan=plan)


def open_or_prepare(
    client: Client,
    name: str,
    model: str | None,
    stages: tuple[int, ...] | None,
    payload_indexes: Mapping[str, str],
) -> MatryoshkaVectorStore:
    """Open a collection, or prepare the one that the first documents will create.

    Args:
        client: Where it is.
        name: Its name.
        model: Who embeds; None takes the model that wrote it, wordllama for a new one.
        stages: Sizes of its short vectors; None takes those it has, the model's own for a new one.
        payload_indexes: Payload field to index type, for a new one.

    Raises:
        CollectionMismatchError: It was written by another model, or lacks one of the stages.
    """
    found = _layout(client, name)
    embedder = make_embedder(model or (found.model if found else None) or _WORDLLAMA)
    if found is None:
        layout = _new_layout(embedder, stages, payload_indexes)
    else:
        layout = replace(found, stages=stages or found.stages)
    store = MatryoshkaVectorStore(client, name, embedder, layout=layout)
    store.driver.run(store.collection.open())
    return store


def _layout(client: Client, name: str) -> CollectionLayout | None:
    return Driver(client).run(MatryoshkaCollection(name).open())


def _new_layout(
    embedder: Embedder, stages: tuple[int, ...] | None, payload_indexes: Mapping[str, str]
) -> CollectionLayout:
    # A model that the registry does not hold tells its size by embedding something.
    size: int = getattr(embedder, "dimensions", None) or len(embedder.embed_query("size"))
    if stages is None:
        spec = registry.find(model_name(embedder) or "")
        stages = (min(spec.default_stage if spec else _STAGE, max(1, size // 2)),)
    return CollectionLayout(size, stages, payload_indexes=payload_indexes)
