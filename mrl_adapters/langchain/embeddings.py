"""Embeddings for LangChain."""

from langchain_core.embeddings import Embeddings

from mrl_adapters.embeddings.openai import OpenAIEmbedder
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


class OpenAIMatryoshkaEmbeddings(OpenAIEmbedder, Embeddings):
    """Embed through OpenAI's API or any server that speaks it, at any size the model allows.

    Setup:
        ``pip install 'mrl-adapters[langchain,openai]'``, and OPENAI_API_KEY in the environment.

    Key init args:
        model: The model's name, as the server knows it.
        dimensions: Size of the vectors; None takes what the model gives by itself.
        base_url: Another server, such as ``http://localhost:11434/v1``.
        api_key: Instead of OPENAI_API_KEY.
        client, async_client: The SDK's clients, where you have made your own.
        options: ``OpenAIOptions``: long and empty texts, batches, retries, concurrency.

    Instantiate:
        .. code-block:: python

            from mrl_adapters.langchain import OpenAIMatryoshkaEmbeddings

            embeddings = OpenAIMatryoshkaEmbeddings("text-embedding-3-large", 1024)

    Embed:
        .. code-block:: python

            embeddings.embed_query("copy a directory tree")
            embeddings.usage

    Async:
        .. code-block:: python

            await embeddings.aembed_documents(["one text", "another"])
    """
