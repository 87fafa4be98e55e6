"""Give a collection the layout and the plan that ``recommend`` chose."""

import warnings

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.recommendation import Recommendation
from mrl_adapters.evaluation.searcher import OpenCollection
from mrl_adapters.evaluation.tuning import save_plan
from mrl_adapters.maintenance import describe, migrate, rotate
from mrl_adapters.qdrant import Driver, MatryoshkaCollection, OneStageWarning
from mrl_adapters.qdrant.driver import Client


def apply_recommendation(client: Client, collection_name: str, result: Recommendation) -> None:
    """Migrate a collection in place to the chosen layout, and save the chosen plan with it.

    Args:
        client: Client that holds the collection.
        collection_name: The collection.
        result: What :func:`recommend` found.

    Raises:
        ConfigurationError: Nothing was chosen: nothing fits, or nothing that fits was proved.
    """
    if result.chosen is None:
        why = "that fits was proved to reach the target" if result.failed else "fits the memory"
        msg = f"No layout {why}: nothing to apply. Allow more memory, or a lower target."
        raise ConfigurationError(msg)
    layout = result.chosen.layout
    if not result.chosen.built and not result.chosen.plan.exact:
        present = describe(client, collection_name)
        named = any(vector.name == layout.full_name for vector in present.vectors)
        full_name = layout.full_name if named and layout.full_name else None
        rotated = layout.rotation is not None
        if rotated and present.stages:
            rotate(client, collection_name, stages=layout.stages, full_name=full_name)
            rotated = False
        migrate(
            client,
            collection_name,
            stages=layout.stages,
            rotation="auto" if rotated else None,
            model=layout.model,
            full_name=full_name,
            settings={
                "quantization": layout.quantization,
                "hnsw_m": layout.hnsw_m,
                "hnsw_ef_construct": layout.hnsw_ef_construct,
            },
        )
    store = OpenCollection(MatryoshkaCollection(collection_name), Driver(client))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneStageWarning)  # it was measured, and chosen
        save_plan(store, result.chosen.plan)
