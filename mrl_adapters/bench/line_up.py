"""Who is compared by default."""

from collections.abc import Sequence

from mrl_adapters.bench.contender import Contender
from mrl_adapters.bench.contenders import ClientSide, FullGraph, TwoStage
from mrl_adapters.bench.frameworks import framework_contenders
from mrl_adapters.errors import ConfigurationError

_SMALLEST_STAGE = 4


def line_up(
    dimensions: int,
    stage: int,
    *,
    frameworks: bool = True,
    rivals: Sequence[Contender] = (),
) -> list[Contender]:
    """List the ways to search, the one that the others are compared with first.

    Args:
        dimensions: Size of the full vectors.
        stage: Size of the short vectors; half of it is tried too, and both as a funnel.
        frameworks: Whether stores of LangChain and LlamaIndex, as far as installed, take part.
        rivals: Other libraries that take part: see :mod:`mrl_adapters.bench.rivals`.

    Raises:
        ConfigurationError: The stage is not between 4 and the full size.
    """
    check_stage(dimensions, stage)
    half = stage // 2
    contenders: list[Contender] = [
        FullGraph(),
        FullGraph("int8"),
        TwoStage((stage,), codes=None),
        TwoStage((stage,)),
        TwoStage((half,)),
        TwoStage((half,), rotated=True),
        TwoStage((half, stage)),
        TwoStage((stage,), codes="turbo4"),
        TwoStage(()),
        TwoStage((), codes="turbo4"),
        TwoStage((), codes="turbo2"),
        TwoStage((), codes="turbo1"),
        ClientSide(stage),
    ]
    return [*contenders, *(framework_contenders((stage,)) if frameworks else []), *rivals]


def check_stage(dimensions: int, stage: int) -> None:
    """Refuse a stage that cannot be cut from full vectors, or that half of cannot be.

    Raises:
        ConfigurationError: It is not between 4 and the full size.
    """
    if not _SMALLEST_STAGE <= stage < dimensions:
        msg = (
            f"A stage of {stage} does not fit {dimensions} dimensions: expected "
            f"{_SMALLEST_STAGE} to {dimensions - 1}."
        )
        raise ConfigurationError(msg)
