"""Who is compared by default."""

from mrl_adapters.bench.contenders import ClientSide, Contender, FullGraph, TwoStage
from mrl_adapters.bench.frameworks import framework_contenders
from mrl_adapters.errors import ConfigurationError

_SMALLEST_STAGE = 4


def line_up(dimensions: int, stage: int, *, frameworks: bool = True) -> list[Contender]:
    """List the ways to search, the one that the others are compared with first.

    Args:
        dimensions: Size of the full vectors.
        stage: Size of the short vectors; half of it is tried too, and both as a funnel.
        frameworks: Whether stores of LangChain and LlamaIndex, as far as installed, take part.

    Raises:
        ConfigurationError: The stage is not between 4 and the full size.
    """
    if not _SMALLEST_STAGE <= stage < dimensions:
        msg = (
            f"A stage of {stage} does not fit {dimensions} dimensions: expected "
            f"{_SMALLEST_STAGE} to {dimensions - 1}."
        )
        raise ConfigurationError(msg)
    half = stage // 2
    contenders: list[Contender] = [
        FullGraph(),
        FullGraph(quantized=True),
        TwoStage((stage,), quantized=False),
        TwoStage((stage,)),
        TwoStage((half,)),
        TwoStage((half,), rotated=True),
        TwoStage((half, stage)),
        ClientSide(stage),
    ]
    return contenders + (framework_contenders((stage,)) if frameworks else [])
