"""What is known about one embedding model, and what follows for shortening its vectors."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.user_warnings import warn_user
from mrl_adapters.vectors import Reduction

_STAGE = 256  # published or trained by nearly every nested model


class MatryoshkaWarning(UserWarning):
    """Warn that shortened vectors may be worse than expected."""


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Facts about one model; what is not known is left out.

    Args:
        name: The model's own name, as its home (model card, API) writes it.
        dimensions: Size of the full vector.
        nested: Smaller sizes that were trained or published, largest first. Empty with a
            ``prefix`` reduction: the model nests, but its sizes are not published.
        any_size: Whether every size from ``minimum`` up works as well as its neighbours do.
        minimum: Smallest size that the model's makers stand for.
        max_tokens: Longest input, in the model's own tokens.
        reduction: How a short vector comes out of the full one; see `vectors.truncate`.
        query_prompt: Text that goes before every question.
        document_prompt: Text that goes before every stored text.
        unit_length: Whether the vectors arrive with unit length.
        takes_dimensions: Whether its API takes a ``dimensions`` parameter.
        dimensions_field: What its API calls that parameter.
        query_fields: Fields that requests for questions carry, such as
            ``{"input_type": "query"}``, where its API tells questions from stored texts by them.
        document_fields: The same for stored texts.
        max_batch: Most texts that its API takes at a time.
        default_dimensions: The size its API answers with unless asked, where that is not the full.
        aliases: Other names that mean the same weights.
        note: What else one must know, one sentence.
        source: Where the facts are from: a URL or a paper's id.
    """

    name: str
    dimensions: int
    nested: tuple[int, ...] = ()
    any_size: bool = False
    minimum: int | None = None
    max_tokens: int | None = None
    reduction: Reduction = "prefix"
    query_prompt: str = ""
    document_prompt: str = ""
    unit_length: bool | None = None
    takes_dimensions: bool | None = None
    dimensions_field: str = "dimensions"
    query_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    document_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    max_batch: int | None = None
    default_dimensions: int | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Check and order the sizes."""
        if not self.name or self.dimensions < 1:
            msg = (
                f"Model {self.name!r} with {self.dimensions} dimensions cannot be registered. "
                "Give it a name and the size of its full vector."
            )
            raise ConfigurationError(msg)
        if any(not 1 <= size < self.dimensions for size in self.nested):
            msg = (
                f"Model '{self.name}': nested sizes {self.nested} must lie between 1 and "
                f"{self.dimensions - 1}, below the full size."
            )
            raise DimensionsError(msg, found=self.nested, expected=range(1, self.dimensions))
        object.__setattr__(self, "nested", tuple(sorted(set(self.nested), reverse=True)))

    @property
    def is_nested(self) -> bool:
        """Whether the model was trained so that prefixes of its vectors are embeddings."""
        return self.reduction in {"prefix", "layernorm_prefix"}

    @property
    def sliceable(self) -> bool:
        """Whether a slice of the full vector means anything."""
        return self.reduction not in {"heads", "projection"}

    @property
    def default_stage(self) -> int:
        """The first-stage size that a new collection gets.

        Raises:
            ConfigurationError: The model's short vectors do not come from slicing.
        """
        self._refuse_slicing()
        half = max(1, self.dimensions // 2)
        if not self.is_nested:
            return half
        if not self.nested or self.any_size:
            return max(min(_STAGE, half), self.minimum or 1)
        if _STAGE in self.nested:
            return _STAGE
        below = [size for size in self.nested if size < _STAGE]
        return max(below) if below else min(self.nested)

    def check(self, dimensions: int, *, rotated: bool = False) -> None:
        """Check that this model's vectors may be shortened to ``dimensions``.

        Args:
            dimensions: The size wanted, 1 <= dimensions <= the full size.
            rotated: Whether a rotation learnt from a sample goes before the slicing; it puts the
                energy first, so that trained sizes no longer matter.

        Raises:
            DimensionsError: The size is impossible, or the model must not be shortened.
            ConfigurationError: The model's short vectors do not come from slicing.

        Warns:
            MatryoshkaWarning: The size was not trained, or none was.
        """
        if not 1 <= dimensions <= self.dimensions:
            msg = (
                f"Model '{self.name}' gives vectors of {self.dimensions} dimensions, "
                f"asked for {dimensions}. Choose dimensions from 1 to {self.dimensions}."
            )
            raise DimensionsError(msg, found=dimensions, expected=range(1, self.dimensions + 1))
        if dimensions == self.dimensions or rotated:
            return
        self._refuse_slicing()
        if self.takes_dimensions is False and not self.is_nested:
            msg = (
                f"Model '{self.name}' was not trained to be shortened and takes no `dimensions`; "
                f"asked for {dimensions} of {self.dimensions}. Use a nested model "
                "(text-embedding-3-small, text-embedding-3-large) or learn a rotation first: "
                "mrl_adapters.vectors.Rotation.fit."
            )
            raise DimensionsError(msg, found=dimensions, expected=self.dimensions)
        if problem := self._problem(dimensions):
            warn_user(problem, MatryoshkaWarning)

    def _refuse_slicing(self) -> None:
        if not self.sliceable:
            msg = (
                f"Model '{self.name}' makes its short vectors with its own {self.reduction}: "
                "a slice of its full vector means nothing. Ask the model itself for the size, or "
                "choose a model whose reduction is prefix (mrl-adapters models)."
            )
            raise ConfigurationError(msg)

    def _problem(self, dimensions: int) -> str | None:
        if not self.is_nested:
            return (
                f"Model '{self.name}' was not trained to be shortened: what {dimensions} of "
                f"{self.dimensions} dimensions lose is unknown. Measure it on your texts "
                "(mrl-adapters curve) and try a learnt rotation (mrl_adapters.vectors.Rotation)."
            )
        if self.minimum is not None and dimensions < self.minimum:
            return (
                f"Model '{self.name}' was trained down to {self.minimum} dimensions, "
                f"not to {dimensions}. Use {self.minimum}, or measure: mrl-adapters curve."
            )
        if self.any_size or not self.nested or dimensions in self.nested:
            return None
        nearest = min(self.nested, key=lambda size: (abs(size - dimensions), -size))
        sizes = ", ".join(map(str, self.nested))
        return (
            f"Model '{self.name}' was not trained at {dimensions} dimensions (trained: {sizes}). "
            f"The nearest is {nearest}: use it, or measure: mrl-adapters curve."
        )
