"""What a layout's fields must be: checked before anything is created."""

from collections.abc import Iterable
from numbers import Integral
from typing import Literal, Protocol

from mrl_adapters.arguments import refuse_others
from mrl_adapters.errors import ConfigurationError, DimensionsError
from mrl_adapters.qdrant.quantization import FEWEST_BINARY, Quantization
from mrl_adapters.qdrant.vector_names import SHORT_NAME
from mrl_adapters.vectors import Reduction, Rotation

_FEWEST_DIMENSIONS = 2


class Named(Protocol):
    """What has a name in a collection."""

    @property
    def name(self) -> str:
        """The name."""


def checked_stages(stages: object, dimensions: int) -> tuple[int, ...]:
    """Return the stages, smallest first, each once.

    Args:
        stages: Whatever the caller passed.
        dimensions: Size of the full vectors.

    Raises:
        ConfigurationError: They are no collection of sizes.
        DimensionsError: One of them is not smaller than the full vector, or not positive.
    """
    sizes = _integers(stages)
    if sizes is None:
        msg = (
            f"CollectionLayout(stages={stages!r}): expected short sizes in a tuple, such as "
            "(256,), or () to search the full vectors alone."
        )
        raise ConfigurationError(msg)
    checked = tuple(sorted(set(sizes)))
    if checked and dimensions < _FEWEST_DIMENSIONS:
        msg = (
            f"Vectors of {dimensions} dimensions have no shorter form. "
            f"Two-stage search needs at least {_FEWEST_DIMENSIONS}."
        )
        raise DimensionsError(msg, found=dimensions, expected=_FEWEST_DIMENSIONS)
    for stage in checked:
        if not 1 <= stage < dimensions:
            msg = (
                f"Stage {stage} does not fit vectors of {dimensions} dimensions. "
                f"Choose stages from 1 to {dimensions - 1}."
            )
            raise DimensionsError(msg, found=stage, expected=range(1, dimensions))
    return checked


def check_names(names: Iterable[str], **others: Named | None) -> None:
    """Refuse a vector of the words or tokens that has another vector's name.

    Args:
        names: Names of the dense vectors.
        **others: The other vectors, by field of the layout.

    Raises:
        ConfigurationError: One of them has a name twice.
    """
    taken = {*names}
    for field, vector in others.items():
        if vector is None:
            continue
        if vector.name in taken:
            msg = (
                f"CollectionLayout({field}={vector!r}): {vector.name!r} is another vector of the "
                "layout. Choose another name, such as 'colbert' or 'sparse'."
            )
            raise ConfigurationError(msg, found=vector.name)
        taken.add(vector.name)


def _integers(values: object) -> list[int] | None:
    """Return the members of a collection of integers; None if it is none."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        return None
    listed: list[object] = list(values)
    integers = [int(each) for each in listed if isinstance(each, Integral)]
    return integers if len(integers) == len(listed) else None


def checked_shard_keys(keys: object) -> tuple[str | int, ...] | None:
    """Return custom shard keys, each once; None stays so.

    Args:
        keys: Whatever the caller passed.

    Raises:
        ConfigurationError: They are no list of texts or numbers, or an empty one.
    """
    if keys is None:
        return None
    listed = keys if isinstance(keys, list | tuple) else ()
    if not listed or not all(isinstance(key, str | int) for key in listed):
        msg = (
            f"CollectionLayout(shard_keys={keys!r}): expected one or more texts or numbers, "
            "such as ('europe', 'asia')."
        )
        raise ConfigurationError(msg, found=keys)
    return tuple(dict.fromkeys(listed))


def check_full_name(full_name: str) -> None:
    """Refuse a full vector that has a short one's name."""
    if SHORT_NAME.fullmatch(full_name):
        msg = (
            f"CollectionLayout(full_name={full_name!r}): that is the name of a short "
            "vector. Choose another, such as 'full'."
        )
        raise ConfigurationError(msg)


def check_codes(quantization: Quantization | None, shortest: int) -> None:
    """Refuse codes that miss what is near in vectors of a size."""
    if quantization == "binary" and shortest < FEWEST_BINARY:
        msg = (
            f"CollectionLayout(quantization='binary'): signs of {shortest} dimensions miss "
            f"what is near; expected {FEWEST_BINARY} or more. quantization='turbo1' takes the "
            "same bytes and finds more."
        )
        raise ConfigurationError(msg, found=shortest, expected=FEWEST_BINARY)


def check_nesting(
    stages: tuple[int, ...],
    model: str | None,
    reduction: Reduction,
    rotation: Rotation | Literal["auto"] | None,
) -> None:
    """Refuse slices of vectors that cannot be sliced."""
    if stages and reduction in {"heads", "projection"} and rotation is None:
        msg = (
            f"Model {model!r} makes its short vectors by its own {reduction}; the "
            "prefix of its full vector means nothing. Two-stage search needs a model whose "
            "vectors can be sliced (list: mrl-adapters models), or rotation='auto'; stages=() "
            "searches the full vectors alone."
        )
        raise ConfigurationError(msg)


def check_rotation(
    rotation: Rotation | Literal["auto"] | None,
    dimensions: int,
    stages: tuple[int, ...],
    distance: str,
) -> None:
    """Refuse a rotation that does not fit the other fields."""
    if rotation is None:
        return
    if not stages:
        msg = (
            "A rotation chooses what short vectors hold, and stages=() has none. Leave "
            "rotation out, or name a stage, such as stages=(256,)."
        )
        raise ConfigurationError(msg)
    if distance == "Manhattan":
        msg = (
            "A rotation keeps angles and lengths, not Manhattan distances: its short vectors "
            "would be a poor shortlist. Leave rotation out, or choose another distance."
        )
        raise ConfigurationError(msg)
    if not isinstance(rotation, Rotation):
        refuse_others("rotation", rotation, ("auto", None), whose="CollectionLayout")
    elif rotation.full_dimensions != dimensions or rotation.dimensions < stages[-1]:
        msg = (
            f"{rotation!r} does not fit vectors of {dimensions} dimensions with "
            f"stages {stages}. Fit it on such vectors with dimensions={stages[-1]}."
        )
        raise DimensionsError(msg, found=rotation.full_dimensions, expected=dimensions)
