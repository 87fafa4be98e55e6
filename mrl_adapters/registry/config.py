"""Read what a model's own files say about it."""

import json
from pathlib import Path
from typing import Any

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.registry.spec import ModelSpec


def from_config(path: str | Path, *, name: str | None = None) -> ModelSpec:
    """Read a local model folder: sizes, prompts and length, without loading the model.

    ``is_matryoshka`` and ``matryoshka_dimensions`` of config.json are honoured as vLLM and SGLang
    do: with a list, those sizes were trained; with the flag alone, any size may be taken.

    Args:
        path: The folder, or its config.json.
        name: The model's name; None takes the folder's.

    Returns:
        What the files say; prompts and length only where sentence-transformers' files are there.

    Raises:
        ConfigurationError: There is no config.json, or it does not tell the full size.

    Source:
        https://docs.vllm.ai/en/latest/models/pooling_models.html#matryoshka-embeddings
    """
    folder = Path(path)
    folder = folder.parent if folder.name == "config.json" else folder
    config = _read(folder / "config.json")
    listed = tuple(int(size) for size in config.get("matryoshka_dimensions") or ())
    inner = config.get("text_config") or {}
    full = config.get("hidden_size") or inner.get("hidden_size") or max(listed, default=0)
    if not full:
        msg = (
            f"{folder / 'config.json'} has neither hidden_size nor matryoshka_dimensions. "
            "Describe the model yourself: ModelSpec(name=..., dimensions=..., nested=(...))."
        )
        raise ConfigurationError(msg)
    nested = bool(listed or config.get("is_matryoshka"))
    prompts = _read(folder / "config_sentence_transformers.json", {}).get("prompts") or {}
    return ModelSpec(
        name or folder.resolve().name,
        int(full),
        nested=tuple(size for size in listed if size < int(full)),
        any_size=nested and not listed,
        max_tokens=_read(folder / "sentence_bert_config.json", {}).get("max_seq_length"),
        reduction="prefix" if nested else "none",
        query_prompt=prompts.get("query") or "",
        document_prompt=prompts.get("document") or prompts.get("passage") or "",
        source=str(folder / "config.json"),
    )


def _read(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    if default is not None and not path.is_file():
        return default
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"Cannot read {path}: {error}. Pass the folder of a model, with its config.json."
        raise ConfigurationError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path} holds {type(content).__name__}, expected a JSON object."
        raise ConfigurationError(msg)
    return content
