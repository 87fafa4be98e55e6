"""Open what the options name: an engine, an embedder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs

from mrl_adapters import registry
from mrl_adapters.cli.terminal import waiting, warn
from mrl_adapters.edge import store_at
from mrl_adapters.embeddings import Embedder, OpenAIEmbedder, WordLlamaEmbedder
from mrl_adapters.errors import ConfigurationError, MRLError, UnknownModelError
from mrl_adapters.qdrant import CollectionLayout, Driver, MatryoshkaCollection, connect
from mrl_adapters.qdrant.driver import Client

WORDLLAMA = "wordllama"
"""The model of a new collection unless another is asked for."""

_WORDLLAMA_MODEL = "dleemiller/word-llama-l2-supercat"


@contextmanager
def open_client(
    path: Path | None, url: str | None, api_key: str | None, *, make: bool = False
) -> Iterator[Client]:
    """Open an engine for the length of a block.

    Args:
        path: Folder of the embedded engine; None takes the user's data folder.
        url: Address of a server, instead.
        api_key: The server's key; of no use with a path, where it may come from the environment.
        make: Whether the folder may be made: only what puts a first document into it may.
    """
    if url is None:
        client: Client = connect(path=path or _usual_folder(), must_exist=not make)
    elif path is not None:
        msg = f"--path {path} and --url {url} are two places. Pass one of them."
        raise ConfigurationError(msg)
    else:
        try:
            client = connect(url=url, api_key=api_key)
        except ValueError as error:
            if isinstance(error, MRLError):
                raise
            msg = f"--url {url!r} is no server's address ({error}). Expected http://HOST:6333"
            raise ConfigurationError(msg) from error
    try:
        yield client
    finally:
        # The embedded engine builds its index now, if much was written.
        with waiting("Closing the collections, indexing what was written"):
            client.close()


@contextmanager
def open_target(
    path: Path | None, url: str | None, api_key: str | None, *, dry_run: bool
) -> Iterator[Client]:
    """Open the engine that a copy goes to; a dry run makes no folder there."""
    if dry_run and url is None and not store_at(path or _usual_folder()):
        with TemporaryDirectory() as nothing, connect(path=nothing) as empty:
            yield empty
    else:
        with open_client(path, url, api_key, make=True) as client:
            yield client


def _usual_folder() -> Path:
    return platformdirs.user_data_path("mrl-adapters") / "collections"


def make_embedder(name: str) -> Embedder:
    """Make the embedder of a name, as the options and collections spell it."""
    provider, _, model = name.partition(":")
    if provider == "openai" and model:
        return OpenAIEmbedder(model)
    if provider == "sentence-transformers" and model:
        from mrl_adapters.embeddings.sentence_transformers import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(model)
    if name in {WORDLLAMA, _WORDLLAMA_MODEL}:
        return WordLlamaEmbedder()
    spec = registry.find(name)
    if spec is not None and spec.takes_dimensions is not None:  # served by OpenAI's API
        return OpenAIEmbedder(spec.name)
    msg = (
        f"Model {name!r}: who runs it? Pass --model openai:NAME (any server that speaks OpenAI's "
        "API: set OPENAI_BASE_URL), --model sentence-transformers:NAME, or --model wordllama."
    )
    raise UnknownModelError(msg)


def embedder_of(model: str | None, vectors: str) -> Embedder:
    """Make the embedder that stored vectors come from, for texts that are to lie among them.

    Args:
        model: Its name, as options and collections spell it; None where neither says it. Then it is
            taken for wordllama, and that is told.
        vectors: Whose they are, as a sentence begins.
    """
    if model is None:
        warn(
            f"{vectors} does not say which model made its vectors. Texts are embedded by "
            f"{WORDLLAMA}, which finds nothing of use if it was another: pass --model."
        )
    return make_embedder(model or WORDLLAMA)


def read_collection(client: Client, name: str) -> CollectionLayout | None:
    """Read what a collection says of itself.

    Returns:
        Its layout, None if it does not exist.
    """
    return Driver(client).run(MatryoshkaCollection(name).open())
