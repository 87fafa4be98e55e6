"""Token encoders that the command line is told of, and the token vectors that they make."""

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from mrl_adapters.qdrant import TokenEncoder, TokenVectors
from mrl_adapters.qdrant.description import dense_vectors, stored_metadata
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.late_interaction import stored_tokens

_OPTION = "--late-interaction"
_NAME = "colbert"  # of token vectors that a collection gets


def token_vectors(reference: str | None, client: Client, name: str) -> TokenVectors | None:
    """Make what a collection has or shall have, of the encoder that an option names.

    Args:
        reference: Where the encoder is, as MODULE:NAME; None has none.
        client: Where the collection is.
        name: Its name.

    Raises:
        BadParameter: There is no encoder.
    """
    if reference is None:
        return None
    encoder = _load(reference)
    rows: Any = encoder.embed_query("how many dimensions has a token?")
    try:
        [dimensions] = {len(row) for row in rows}
    except (TypeError, ValueError):
        msg = f"{reference} gave {rows!r:.80} for a question, expected one vector a token"
        raise typer.BadParameter(msg, param_hint=_OPTION) from None
    made = TokenVectors(_NAME, dimensions, encoder)
    if not client.collection_exists(name):
        return made
    info = client.get_collection(name)
    own = stored_tokens(stored_metadata(info), dense_vectors(info))
    # How tokens are compared, the collection knows.
    return made if own is None else replace(made, name=own.name, distance=own.distance)


def _load(reference: str) -> TokenEncoder:
    """Import an encoder, from the current folder too, as Python itself would."""
    module, _, name = reference.partition(":")
    if not (name.isidentifier() and all(map(str.isidentifier, module.split(".")))):
        msg = (
            f"expected MODULE:NAME, such as mrl_adapters.embeddings:WordLlamaTokens, found "
            f"{reference[:80]!r}"
        )
        raise typer.BadParameter(msg, param_hint=_OPTION)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), name)
        encoder = found if isinstance(found, TokenEncoder) and not _makes(found) else found()
    except Exception as error:
        msg = f"{reference} could not be loaded: {error}"
        raise typer.BadParameter(msg, param_hint=_OPTION) from error
    if not isinstance(encoder, TokenEncoder):
        msg = f"{reference} is {encoder!r:.80}, without embed_documents(texts), embed_query(text)"
        raise typer.BadParameter(msg, param_hint=_OPTION)
    return encoder


def _makes(found: object) -> bool:
    return isinstance(found, type)
