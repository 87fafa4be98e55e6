"""What an embedder wraps: caches, rate limiters, shells of another framework, at any depth."""

from collections.abc import Iterator

_METHODS = ("embed_query", "get_query_embedding")  # LangChain's and ours, LlamaIndex's


def layers(embedder: object) -> Iterator[object]:
    """Give an embedder and every embedder that it wraps, the outer ones first, each once.

    A wrapper is known by what it holds, not by its class or by how it calls that: any embedder
    among its own attributes. One that holds itself, by whatever way, ends the search there.

    Args:
        embedder: One of ours, a LangChain Embeddings, a LlamaIndex BaseEmbedding, or a wrapper.

    Yields:
        ``embedder``, then those it holds, then those they hold.
    """
    known = {id(embedder)}
    level = [embedder]
    while level:
        yield from level
        inner = [held for outer in level for held in _held(outer)]
        level = []
        for each in inner:
            if id(each) not in known:
                known.add(id(each))
                level.append(each)


def _held(embedder: object) -> Iterator[object]:
    """Give the embedders among an object's attributes, pydantic's private ones among them."""
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
