"""Read off an embedder of any framework which model is behind it."""

import enum

from mrl_adapters import registry

_WRAPPED = ("base", "underlying_embeddings")  # ours, LangChain's CacheBackedEmbeddings
_NAMES = ("model", "model_name", "model_id", "repo_id", "model_path")


def model_name(embedder: object) -> str | None:
    """Return the name of the model that an embedder uses.

    Args:
        embedder: One of ours, a LangChain Embeddings, a LlamaIndex BaseEmbedding; wrappers are
            looked into.

    Returns:
        The name as the embedder itself spells it, or None where it does not say.
    """
    if deployment := _azure_deployment(embedder):
        # A deployment may have any name: only one that names a model says something.
        return deployment if registry.find(deployment) else None
    for attribute in _NAMES:
        value = getattr(embedder, attribute, None)
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, str) and value not in {"", "unknown"} and "://" not in value:
            return value
    for attribute in _WRAPPED:
        inner = getattr(embedder, attribute, None)
        if callable(getattr(inner, "embed_query", None)) or callable(
            getattr(inner, "get_query_embedding", None)
        ):
            return model_name(inner)
    return None


def _azure_deployment(embedder: object) -> str | None:
    """Return the deployment of langchain-openai's Azure class where it stands for the model.

    Its ``model`` says text-embedding-ada-002 unless set, whatever the deployment runs.
    """
    given: set[str] = getattr(embedder, "model_fields_set", set())
    if "deployment" in given and "model" not in given:
        deployment = getattr(embedder, "deployment", None)
        return deployment if isinstance(deployment, str) else None
    return None
