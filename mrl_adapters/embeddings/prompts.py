"""The text that some models want before a question or a document, put there exactly once."""

from collections.abc import Iterable, Mapping

from mrl_adapters.embeddings.blanks import is_blank
from mrl_adapters.embeddings.wrappers import layers

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
_INSTRUCTIONS = ("query_instruction", "embed_instruction", "text_instruction")
_ENCODE_OPTIONS = ("encode_kwargs", "query_encode_kwargs")


def applies_prompts(embedder: object) -> bool:
    """Whether an embedder puts its model's prompts before the texts by itself.

    Ours say so (``applies_prompts``); of the frameworks' classes, those that send a task to their
    service do, and those that were given an instruction or a prompt by the user. A wrapper does
    what the one within does.
    """
    return any(_own_word(each) for each in layers(embedder))


def _own_word(embedder: object) -> bool:
    said = getattr(embedder, "applies_prompts", None)
    if isinstance(said, bool):
        return said
    if any(parent.__name__ in _TASK_AWARE for parent in type(embedder).__mro__):
        return True
    instructions = (getattr(embedder, name, None) for name in _INSTRUCTIONS)
    if any(isinstance(each, str) and each for each in instructions):
        return True
    options = (getattr(embedder, name, None) for name in _ENCODE_OPTIONS)
    return any(
        bool(option.get("prompt") or option.get("prompt_name"))
        for option in options
        if isinstance(option, Mapping)
    )


def prefix(texts: Iterable[str], prompt: str) -> list[str]:
    """Put a prompt before each text that does not begin with it already; blank ones stay so."""
    return [text if text.startswith(prompt) or is_blank(text) else prompt + text for text in texts]
