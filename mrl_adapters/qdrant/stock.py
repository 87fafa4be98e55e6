"""What the frameworks' stock stores take of Qdrant's own settings, as layouts and plans say it.

What has no counterpart is refused by name, with the way here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.layout import CLUSTER_OPTIONS, CollectionLayout
from mrl_adapters.qdrant.quantization import FullDatatype, Quantization, codes_of

_SHARDING = ("sharding_method", "shard_keys")
_DATATYPES = {models.Datatype(name): name for name in get_args(FullDatatype)}


def named(
    whose: str, given: Sequence[Any], order: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Put positional arguments under their names, beside those that have one."""
    if len(given) > len(order):
        msg = f"{whose} got {len(given) - len(order)} arguments more than it has."
        raise ConfigurationError(msg, found=given, expected=tuple(order))
    positional = dict(zip(order, given, strict=False))
    if doubled := [name for name in positional if name in options]:
        msg = f"{whose} got {doubled[0]!r} twice: by position and by name. Pass one."
        raise ConfigurationError(msg, found=doubled[0])
    return {**positional, **options}


def refuse_given(whose: str, options: Mapping[str, Any], names: Collection[str], way: str) -> None:
    """Refuse options that this package has no counterpart of, where they ask for something."""
    for name in names:
        if (value := options.get(name)) is not None and value is not False:
            msg = f"{whose} got {name}={value!r}. {way}"
            raise ConfigurationError(msg, found=value)


def plan_changes(
    search_params: models.SearchParams | Mapping[str, Any] | None, consistency: Any = None
) -> dict[str, Any]:
    """Turn Qdrant's parameters of a search into the knobs of a plan.

    ``exact`` and ``hnsw_ef`` are the plan's own; what ``quantization`` asks for holds for the short
    vectors: ``rescore``, and ``oversampling`` of what the full ones re-rank.

    Raises:
        ConfigurationError: A parameter has no counterpart.
    """
    params = given_settings("search_params", search_params, models.SearchParams)
    quantization = given_settings(
        "search_params.quantization",
        params.pop("quantization", None),
        models.QuantizationSearchParams,
    )
    refuse_given(
        "A two-stage search",
        {**params, **quantization},
        ("indexed_only", "acorn", "ignore"),
        "Leave it out; how it searches is said by plan=SearchPlan(...), and exact=True compares "
        "with every full vector.",
    )
    knobs = {
        "exact": params.get("exact"),
        "hnsw_ef": params.get("hnsw_ef"),
        "rescore": quantization.get("rescore"),
        "oversampling": quantization.get("oversampling"),
        "consistency": consistency,
    }
    return {name: value for name, value in knobs.items() if value is not None}


def vector_fields(
    name: str, params: models.VectorParams | Mapping[str, Any] | None
) -> dict[str, Any]:
    """Turn Qdrant's parameters of the vector into fields of a layout.

    Its graph's settings become those of the short vectors, whose graphs are searched.

    Raises:
        ConfigurationError: One has no counterpart.
    """
    given = given_settings(name, params, models.VectorParams)
    fields: dict[str, Any] = {}
    if (datatype := given.get("datatype")) is not None:
        if datatype not in _DATATYPES:
            msg = (
                f"{name} got datatype={datatype!r}, expected one of {get_args(FullDatatype)}: full "
                "vectors are kept as the model gave them."
            )
            raise ConfigurationError(msg, found=datatype)
        fields["full_datatype"] = _DATATYPES[models.Datatype(datatype)]
    refuse_given(name, given, ("multivector_config",), "A point has one full vector; leave it out.")
    if given.get("on_disk") is False:
        msg = (
            f"{name} got on_disk=False: full vectors are read for a shortlist alone, and kept on "
            "disk; the short ones are searched in RAM. Leave it out."
        )
        raise ConfigurationError(msg, found=False)
    for field in ("size", "distance"):
        if given.get(field) is not None:
            fields["dimensions" if field == "size" else field] = given[field]
    if "distance" in fields:
        fields["distance"] = distance_field(name, fields["distance"])
    return {
        **fields,
        **graph_fields(f"{name}.hnsw_config", given.get("hnsw_config")),
        **quantization_fields(f"{name}.quantization_config", given.get("quantization_config")),
    }


def distance_field(name: str, given: object) -> str:
    """Turn Qdrant's distance into a layout's."""
    try:
        return models.Distance(given).value
    except ValueError:
        known = ", ".join(repr(distance.value) for distance in models.Distance)
        msg = f"{name} got distance={given!r}, expected one of {known}."
        raise ConfigurationError(msg, found=given, expected=known) from None


def graph_fields(
    name: str, config: models.HnswConfigDiff | Mapping[str, Any] | None
) -> dict[str, Any]:
    """Turn Qdrant's settings of a graph into fields of a layout."""
    given = given_settings(name, config, models.HnswConfigDiff)
    others = [setting for setting in given if setting not in {"m", "ef_construct"}]
    way = "The short vectors' graphs have hnsw_m and hnsw_ef_construct in a CollectionLayout."
    refuse_given(name, given, others, way)
    named = {"hnsw_m": given.get("m") or None, "hnsw_ef_construct": given.get("ef_construct")}
    return {field: value for field, value in named.items() if value is not None}


def quantization_fields(name: str, config: Any) -> dict[str, Any]:
    """Turn Qdrant's settings of codes into a field of a layout."""
    if config is None:
        return {}
    codes = codes_of(config)
    if codes not in (*get_args(Quantization), None):
        msg = (
            f"{name} is {config!r}: codes are {', '.join(get_args(Quantization))}, or none. Pass "
            "layout=CollectionLayout(..., quantization='int8') or quantization=None there."
        )
        raise ConfigurationError(msg, found=config)
    return {"quantization": codes}


def creation_fields(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn arguments of ``create_collection`` into fields of a layout.

    Raises:
        ConfigurationError: One has no counterpart.
    """
    known = {*CLUSTER_OPTIONS, *_SHARDING, "hnsw_config", "quantization_config"}
    refuse_given(
        name,
        options,
        [option for option in options if option not in known],
        "A CollectionLayout has no such field: make the collection first, by client."
        "create_collection(name, vectors_config=layout.vectors_config(), "
        "metadata=layout.metadata(), ...).",
    )
    custom = models.ShardingMethod.CUSTOM
    if options.get("sharding_method") == custom and not options.get("shard_keys"):
        msg = (
            f"{name} got sharding_method='custom' and no keys. Custom shards are made with the "
            "collection: name their keys, CollectionLayout(..., shard_keys=('europe', 'asia'))."
        )
        raise ConfigurationError(msg, found=custom, expected="shard_keys")
    return {
        **{field: options[field] for field in CLUSTER_OPTIONS if options.get(field) is not None},
        **({"shard_keys": tuple(keys)} if (keys := options.get("shard_keys")) else {}),
        **graph_fields(f"{name}.hnsw_config", options.get("hnsw_config")),
        **quantization_fields(f"{name}.quantization_config", options.get("quantization_config")),
    }


def fields_beside(
    whose: str, fields: dict[str, Any], layout: CollectionLayout | None
) -> dict[str, Any]:
    """Return the fields of a layout where there is no whole one, which has to agree."""
    if layout is None:
        return fields
    for name, value in fields.items():
        if getattr(layout, name) != value:
            msg = (
                f"{whose} got {value!r} beside a layout with {name}={getattr(layout, name)!r}. Say "
                f"it in the layout alone: CollectionLayout({name}={value!r})."
            )
            raise ConfigurationError(msg, found=value, expected=getattr(layout, name))
    return {}


def given_settings(name: str, settings: Any, kind: type[Any]) -> dict[str, Any]:
    """Return what one of Qdrant's models, or a dict of its fields, says; None says nothing."""
    if settings is None:
        return {}
    if isinstance(settings, kind):
        return {field: getattr(settings, field) for field in settings.model_fields_set}
    if isinstance(settings, Mapping):
        unknown = [field for field in settings if field not in kind.model_fields]
        refuse_given(name, settings, unknown, f"It has: {', '.join(kind.model_fields)}.")
        return dict(settings)
    msg = f"{name} is {settings!r}, expected {kind.__name__} or a dict of its fields."
    raise ConfigurationError(msg, found=settings)
