"""Who is compared on a server: the stock store's layouts, and ours."""

from mrl_adapters.bench.contenders import FullGraph, TwoStage
from mrl_adapters.bench.line_up import check_stage


def server_line_up(dimensions: int, stage: int) -> list[FullGraph | TwoStage]:
    """List the layouts, the one that the others are compared with first.

    One vector a point, as the stock stores have it: float32, and codes in RAM whose finds are
    rescored. Then two stages, and the same codes in one stage of ours.

    Args:
        dimensions: Size of the full vectors.
        stage: Size of the short vectors; half of it is tried too.

    Raises:
        ConfigurationError: The stage is not between 4 and the full size.
    """
    check_stage(dimensions, stage)
    return [
        FullGraph(),
        FullGraph("int8"),
        FullGraph("turbo4"),
        TwoStage((stage,)),
        TwoStage((stage // 2,)),
        TwoStage((stage,), codes="turbo4"),
        TwoStage(()),
        TwoStage((), codes="turbo4"),
    ]
