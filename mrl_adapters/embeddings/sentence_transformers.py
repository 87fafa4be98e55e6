"""Embed with sentence-transformers on this machine."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrl_adapters import registry
from mrl_adapters.embeddings.local import LocalEmbedder
from mrl_adapters.embeddings.shortening import shorten
from mrl_adapters.embeddings.texts import with_prompt
from mrl_adapters.errors import MissingExtraError
from mrl_adapters.vectors import FloatArray, as_vectors


class SentenceTransformerEmbedder(LocalEmbedder):
    """Embed with a model of the sentence-transformers package, once and at its full size.

    Recipe and prompts come from the registry; for a model that it does not hold, from the model's
    own files (``matryoshka_dimensions`` of its config.json, its prompts).

    Args:
        model: Name or path of a model, or a loaded ``SentenceTransformer`` (for remote code,
            quantisation, a backend of one's own).
        dimensions: Size of the vectors; None gives the full size.
        name: The model's name, where ``model`` does not say it.
        device: Where to run it: ``cpu``, ``cuda``, ``mps``; None lets the package choose.
        batch_size: Texts that are encoded at once.
        progress: Whether to show a progress bar.
        query_options: More arguments for ``encode`` with questions, such as
            ``{"task": "retrieval.query"}`` for jina-embeddings-v3. A ``prompt`` or
            ``prompt_name`` among them takes the place of the registry's; ``{"prompt": ""}`` puts
            none.
        document_options: The same for stored texts.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        DimensionsError: The model does not have so many dimensions.
        ConfigurationError: The model's short vectors do not come from slicing.

    Warns:
        MatryoshkaWarning: The model was not trained at this size.
    """

    def __init__(
        self,
        model: Any,
        dimensions: int | None = None,
        *,
        name: str | None = None,
        device: str | None = None,
        batch_size: int = 32,
        progress: bool = False,
        query_options: Mapping[str, Any] | None = None,
        document_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name or _name(model)
        spec = _spec(self._name, model)
        if isinstance(model, (str, Path)):
            model = _load(str(model), device)
            device = None
        self._transformer = model
        full = _full_size(model)
        self._spec = spec = spec or registry.ModelSpec(self._name, full, reduction="none")
        self._dimensions = full if dimensions is None else dimensions
        spec.check(self._dimensions)
        query, document = _prompts(spec, model)
        shared: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": progress}
        # However the model was loaded, it is asked for all of its dimensions.
        shared |= {"truncate_dim": sys.maxsize, **({"device": device} if device else {})}
        # The task names the side, for models with one network a side.
        self._query = _told(query, {**shared, "task": "query", **(query_options or {})})
        self._document = _told(document, {**shared, "task": "document", **(document_options or {})})

    @property
    def dimensions(self) -> int:
        """Size of the vectors."""
        return self._dimensions

    @property
    def model(self) -> str:
        """The model's name."""
        return self._name

    def _embed(self, texts: list[str], *, query: bool) -> FloatArray:
        if not texts:
            return np.empty((0, self._dimensions), dtype=np.float32)
        prompt, options = self._query if query else self._document
        encoded = self._transformer.encode(with_prompt(texts, prompt), **options)
        giver = f"Model '{self._name}'"
        return shorten(as_vectors(encoded), self._dimensions, spec=self._spec, giver=giver)


def _load(model: str, device: str | None) -> Any:
    if importlib.util.find_spec("sentence_transformers") is None:
        package, extra = "sentence-transformers", "sentence-transformers"
        raise MissingExtraError(package, extra)
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model, device=device)


def _name(model: Any) -> str:
    if isinstance(model, (str, Path)):
        return str(model)
    card = getattr(model, "model_card_data", None)
    return getattr(card, "base_model", None) or type(model).__name__


def _spec(name: str, model: Any) -> registry.ModelSpec | None:
    known = registry.find(name)
    if known is None and isinstance(model, (str, Path)) and Path(model, "config.json").is_file():
        return registry.from_config(model)
    return known


def _full_size(model: Any) -> int:
    size = getattr(model, "get_embedding_dimension", None)  # the newer name of the other
    limit, model.truncate_dim = model.truncate_dim, None
    try:
        return int((size or model.get_sentence_embedding_dimension)())
    finally:
        model.truncate_dim = limit


def _prompts(spec: registry.ModelSpec, model: Any) -> tuple[str, str]:
    own = getattr(model, "prompts", None) or {}
    document = own.get("document") or own.get("passage") or ""
    return spec.query_prompt or own.get("query") or "", spec.document_prompt or document


def _told(prompt: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the prompt that is put before the texts here, and the options of ``encode``."""
    if options.get("prompt") is not None or options.get("prompt_name") is not None:
        return "", options  # the user's own, put by the model
    return prompt, {**options, "prompt": ""}  # lest the model puts its default as well
