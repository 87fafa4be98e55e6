"""Every embedder refuses one text for a list of them: it would be embedded letter by letter."""

import inspect
from typing import Any

import pytest

from mrl_adapters.embeddings import OpenAIEmbedder, TruncatedEmbedder, WordLlamaEmbedder
from mrl_adapters.embeddings.local import LocalEmbedder
from mrl_adapters.errors import ConfigurationError


async def answer(owner: Any, method: str, text: str) -> Any:
    found = getattr(owner, method)(text)
    return await found if inspect.isawaitable(found) else found


@pytest.mark.parametrize("method", ["embed_documents", "embed_array"])
@pytest.mark.parametrize("colour", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize("text", ["hello", ""])
@pytest.mark.parametrize(
    "embedder",
    [
        WordLlamaEmbedder(),
        TruncatedEmbedder(WordLlamaEmbedder(), 64),
        OpenAIEmbedder(api_key="never sent"),
    ],
    ids=repr,
)
async def test_one_text_is_refused(embedder: Any, text: str, colour: str, method: str) -> None:
    with pytest.raises(ConfigurationError, match="pass a list"):
        await answer(embedder, f"{colour}{method}", text)


def test_the_others_that_run_here_share_that_door() -> None:
    """Those of model2vec and sentence-transformers need a model to be made."""
    from mrl_adapters.embeddings import Model2VecEmbedder, SentenceTransformerEmbedder

    for kind in (Model2VecEmbedder, SentenceTransformerEmbedder):
        assert issubclass(kind, LocalEmbedder)
        assert kind.embed_array is LocalEmbedder.embed_array
        assert kind.embed_documents is LocalEmbedder.embed_documents
