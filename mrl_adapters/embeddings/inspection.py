"""What an embedder of any framework tells of itself: its model, its prompts, what it wraps."""

import enum
from collections.abc import Iterator, Mapping

from mrl_adapters import registry

_METHODS = ("embed_query", "get_query_embedding")  # LangChain's and ours, LlamaIndex's
_MODEL_NAMES = ("model", "model_name", "model_id", "repo_id", "model_path")

# Classes of LangChain and LlamaIndex whose service or code tells queries from documents itself,
# by a task or input type.
_TASK_AWARE = frozenset(
    {
        "CohereEmbedding",
        "CohereEmbeddings",
        "GeminiEmbedding",
        "GoogleGenAIEmbedding",
        "GoogleGenerativeAIEmbeddings",
        "HuggingFaceBgeEmbeddings",
        "HuggingFaceInstructEmbeddings",
        "InstructorEmbedding",
        "JinaEmbedding",
        "JinaEmbeddings",
        "MixedbreadAIEmbedding",
        "MixedbreadAIEmbeddings",
        "NVIDIAEmbedding",
        "NVIDIAEmbeddings",
        "NomicEmbedding",
        "NomicEmbeddings",
        "VertexAIEmbeddings",
        "VoyageAIEmbeddings",
        "VoyageEmbedding",
    }
)
# Whose embed_query is embed_documents of one text; each has its own method, so that a subclass
# which embeds questions otherwise is none of them.
_ONE_SIDED = frozenset({"MistralAIEmbeddings", "OllamaEmbeddings", "OpenAIEmbeddings"})
_INSTRUCTIONS = ("query_instruction", "embed_instruction", "text_instruction")
_ENCODE_OPTIONS = ("encode_kwargs", "query_encode_kwargs")


def model_name(embedder: object) -> str | None:
    """Return the name of the model that an embedder uses.

    Returns:
        The name as the outermost that tells one spells it, or None where none does.
    """
    wrapped = list(layers(embedder))
    # LlamaIndex's shell for LangChain calls the model by the class where that tells no name.
    classes = {type(layer).__name__ for layer in wrapped}
    names = map(_own_model_name, wrapped)
    return next((name for name in names if name and name not in classes), None)


def applies_prompts(embedder: object) -> bool:
    """Return whether an embedder puts its model's prompts before the texts by itself.

    Ours tell it (``applies_prompts``); of the frameworks' classes, those that send a task to their
    service do, and those that were given an instruction or a prompt by the user. A wrapper does
    what the one within does.
    """
    return any(map(_applies_prompts_itself, layers(embedder)))


def embeds_questions_as_documents(embedder: object) -> bool:
    """Return whether an embedder makes no difference between questions and documents."""
    method = getattr(type(embedder), "embed_query", None)
    return getattr(method, "__qualname__", "").partition(".")[0] in _ONE_SIDED


def layers(embedder: object) -> Iterator[object]:
    """Yield an embedder and every embedder that it wraps, the outer ones first, none twice.

    A wrapper is known by what it holds, not by its class or by how it calls that: any embedder
    among its own attributes. One that holds itself, by whatever way, ends the search there.

    Yields:
        ``embedder``, then those it holds, then those they hold.
    """
    known = {id(embedder)}
    level = [embedder]
    while level:
        yield from level
        inner = [held for outer in level for held in _held(outer)]
        level = []
        for held in inner:
            if id(held) not in known:
                known.add(id(held))
                level.append(held)


def _held(embedder: object) -> Iterator[object]:
    """Yield the embedders among an object's attributes, pydantic's private ones among them."""
    attributes = {
        **{name: getattr(embedder, name, None) for name in _slots(embedder)},
        **getattr(embedder, "__dict__", {}),
        **(getattr(embedder, "__pydantic_private__", None) or {}),
    }
    for value in attributes.values():
        if not isinstance(value, type) and any(
            callable(getattr(value, method, None)) for method in _METHODS
        ):
            yield value


def _slots(embedder: object) -> Iterator[str]:
    for kind in type(embedder).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            hidden = name.startswith("__") and not name.endswith("__")
            yield f"_{kind.__name__.lstrip('_')}{name}" if hidden else name


def _own_model_name(embedder: object) -> str | None:
    if deployment := _azure_deployment(embedder):
        # A deployment may have any name: only one that names a model means something.
        return deployment if registry.find(deployment) else None
    for attribute in _MODEL_NAMES:
        value = getattr(embedder, attribute, None)
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, str) and value not in {"", "unknown"} and "://" not in value:
            return value
    return None


def _azure_deployment(embedder: object) -> str | None:
    """Return the deployment of langchain-openai's Azure class where it stands for the model.

    Its ``model`` is text-embedding-ada-002 unless set, whatever the deployment runs.
    """
    given = getattr(embedder, "model_fields_set", None)
    if isinstance(given, set) and "deployment" in given and "model" not in given:
        deployment = getattr(embedder, "deployment", None)
        return deployment if isinstance(deployment, str) else None
    return None


def _applies_prompts_itself(embedder: object) -> bool:
    own = getattr(embedder, "applies_prompts", None)
    if isinstance(own, bool):
        return own
    if any(parent.__name__ in _TASK_AWARE for parent in type(embedder).__mro__):
        return True
    instructions = (getattr(embedder, name, None) for name in _INSTRUCTIONS)
    if any(isinstance(instruction, str) and instruction for instruction in instructions):
        return True
    options = (getattr(embedder, name, None) for name in _ENCODE_OPTIONS)
    return any(
        bool(option.get("prompt") or option.get("prompt_name"))
        for option in options
        if isinstance(option, Mapping)
    )
