"""Read off an embedder of any framework which model is behind it."""

import enum

from mrl_adapters import registry
from mrl_adapters.embeddings.wrappers import layers

_NAMES = ("model", "model_name", "model_id", "repo_id", "model_path")


def model_name(embedder: object) -> str | None:
    """Return the name of the model that an embedder uses.

    Args:
        embedder: One of ours, a LangChain Embeddings, a LlamaIndex BaseEmbedding; wrappers are
            looked into.

    Returns:
        The name as the outermost that says one spells it, or None where nobody does.
    """
    found = list(layers(embedder))
    # LlamaIndex's shell for LangChain calls the model by the class where that says no name.
    classes = {type(each).__name__ for each in found}
    names = (_own_name(each) for each in found)
    return next((name for name in names if name and name not in classes), None)


def _own_name(embedder: object) -> str | None:
    if deployment := _azure_deployment(embedder):
        # A deployment may have any name: only one that names a model says something.
        return deployment if registry.find(deployment) else None
    for attribute in _NAMES:
        value = getattr(embedder, attribute, None)
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, str) and value not in {"", "unknown"} and "://" not in value:
            return value
    return None


def _azure_deployment(embedder: object) -> str | None:
    """Return the deployment of langchain-openai's Azure class where it stands for the model.

    Its ``model`` says text-embedding-ada-002 unless set, whatever the deployment runs.
    """
    given = getattr(embedder, "model_fields_set", None)
    if isinstance(given, set) and "deployment" in given and "model" not in given:
        deployment = getattr(embedder, "deployment", None)
        return deployment if isinstance(deployment, str) else None
    return None
