"""Embeddings for LangChain."""

from langchain_core.embeddings import Embeddings

from mrl_adapters.embeddings.truncated import TruncatedEmbedder


class MatryoshkaEmbeddings(TruncatedEmbedder, Embeddings):
    """Shorten the vectors of any LangChain Embeddings by its model's own recipe.

    Setup:
        ``pip install 'mrl-adapters[langchain]'`` and the package of the base embeddings.

    Key init args:
        base: Any Embeddings, at its full size.
        dimensions: Size of the vectors.
        model: The model's name, where the base does not say it.
        prompts: Whether to put the model's prompts before the texts; None does so unless the base
            does it itself.

    Instantiate:
        .. code-block:: python

            from langchain_openai import OpenAIEmbeddings
            from mrl_adapters.langchain import MatryoshkaEmbeddings

            embeddings = MatryoshkaEmbeddings(OpenAIEmbeddings(model="text-embedding-3-large"), 256)

    Embed:
        .. code-block:: python

            embeddings.embed_query("copy a directory tree")

    Async:
        .. code-block:: python

            await embeddings.aembed_documents(["one text", "another"])
    """
