"""Open a LangChain store over the collection that the options name."""

from collections.abc import Mapping
from dataclasses import replace

from mrl_adapters import registry
from mrl_adapters.cli.engines import WORDLLAMA, embedder_of, make_embedder, read_collection
from mrl_adapters.cli.terminal import tell
from mrl_adapters.cli.tokens import token_vectors
from mrl_adapters.embeddings import Embedder
from mrl_adapters.embeddings.inspection import model_name
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, TextIndex
from mrl_adapters.qdrant.driver import Client

_STAGE = 256  # of models that the registry does not hold


def open_existing(
    client: Client,
    name: str,
    model: str | None,
    stages: tuple[int, ...] | None,
    token_encoder: str | None = None,
) -> MatryoshkaVectorStore:
    """Open a collection that exists.

    Args:
        client: Where it is.
        name: Its name.
        model: Who embeds the questions; None takes the model that wrote it.
        stages: Which of its short vectors to search; None leaves it to the collection's plan.
        token_encoder: Where the encoder of its token vectors is, as MODULE:NAME; None has none.
    """
    layout = read_collection(client, name)
    plan = {"stages": stages} if stages else None
    embedder = _embedder(name, layout, model)
    wanted = None
    if layout is not None and (tokens := token_vectors(token_encoder, client, name)) is not None:
        wanted = replace(layout, late_interaction=tokens)
    return MatryoshkaVectorStore.from_existing_collection(
        name, embedder, client=client, layout=wanted, plan=plan, all_tenants=True
    )


def open_or_prepare(
    client: Client,
    name: str,
    model: str | None,
    stages: tuple[int, ...] | None,
    payload_indexes: Mapping[str, str],
    words: tuple[TextIndex | None, SparseVectors | None] = (None, None),
    token_encoder: str | None = None,
) -> MatryoshkaVectorStore:
    """Open a collection, or prepare the one that the first documents will create.

    Args:
        client: Where it is.
        name: Its name.
        model: Who embeds; None takes the model that wrote it, wordllama for a new one.
        stages: Sizes of its short vectors; None takes those it has, the model's own for a new one.
        payload_indexes: Payload field to index type, for a new one.
        words: A text index that ranks, and sparse vectors; None takes what it has, and none for a
            new one.
        token_encoder: Where the encoder of token vectors is, as MODULE:NAME; None has none.
    """
    found = read_collection(client, name)
    embedder = _embedder(name, found, model)
    if found is None:
        layout = _new_layout(embedder, stages, payload_indexes)
    else:
        layout = replace(found, stages=found.stages if stages is None else stages)
    text_index, sparse = words
    if text_index is not None:
        layout = replace(layout, text_index=text_index)
    if sparse is not None:
        layout = replace(layout, sparse=sparse)
    if (tokens := token_vectors(token_encoder, client, name)) is not None:
        layout = replace(layout, late_interaction=tokens)
    store = MatryoshkaVectorStore(client, name, embedder, layout=layout, all_tenants=True)
    store.driver.run(store.collection.open())
    if found is not None and found.text_index is None and text_index is not None:
        tell("Text index", "bold", "made: words find all passages, also those stored before")
    return store


def _new_layout(
    embedder: Embedder, stages: tuple[int, ...] | None, payload_indexes: Mapping[str, str]
) -> CollectionLayout:
    # A model that the registry does not hold tells its size by embedding something.
    size: int = getattr(embedder, "dimensions", None) or len(embedder.embed_query("size"))
    if stages is None:
        spec = registry.find(model_name(embedder) or "")
        stages = (min(spec.default_stage if spec else _STAGE, max(1, size // 2)),)
    return CollectionLayout(size, stages, payload_indexes=payload_indexes)


def _embedder(name: str, found: CollectionLayout | None, model: str | None) -> Embedder:
    """Make the embedder asked for, else the collection's own, else that of a new one."""
    if found is None:
        return make_embedder(model or WORDLLAMA)
    return embedder_of(model or found.model, f"Collection {name!r}")
