"""How vectors that a model gave become those that an embedder answers with."""

from mrl_adapters.errors import DimensionsError
from mrl_adapters.registry import ModelSpec
from mrl_adapters.vectors import FloatArray, Reduction, truncate


def shorten(
    vectors: FloatArray, dimensions: int, *, spec: ModelSpec | None, giver: str
) -> FloatArray:
    """Shorten vectors by their model's recipe and rescale them to unit length.

    Returns:
        Unit vectors of shape (n, dimensions).
    """
    width = vectors.shape[-1]
    if width < dimensions:
        msg = (
            f"{giver} gave vectors of {width} dimensions, asked for {dimensions}. "
            "Let it give its full size, or ask for fewer."
        )
        raise DimensionsError(msg, found=width, expected=dimensions)
    reduction: Reduction = "prefix"
    # A vector that arrives shortened already went through the recipe where it was made.
    if spec and dimensions < width and (width == spec.dimensions or not spec.is_nested):
        reduction = spec.reduction
    return truncate(vectors, dimensions, reduction=reduction)


def as_lists(vectors: FloatArray) -> list[list[float]]:
    """Return Python floats, as LangChain's contract asks: shape (n, d) to n lists of d."""
    lists: list[list[float]] = vectors.tolist()
    return lists
