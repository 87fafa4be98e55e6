"""Describe a collection as the client does, and convert the settings of payload indexes."""

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client import models

from mrl_adapters.edge.client_models import set_fields
from mrl_adapters.edge.config import (
    HNSW_DEFAULTS,
    INDEXING_THRESHOLD_KB,
    edge_enum,
    shown_sparse,
)


def collection_info(
    settings: models.CreateCollection, info: "edge.ShardInfo"
) -> models.CollectionInfo:
    """Describe a collection."""
    given = settings.optimizers_config
    optimizers = set_fields(given) if given else {}
    return models.CollectionInfo(
        status=models.CollectionStatus.GREEN,
        optimizer_status=models.OptimizersStatusOneOf.OK,
        indexed_vectors_count=info.indexed_vectors_count,
        points_count=info.points_count,
        segments_count=info.segments_count,
        config=models.CollectionConfig(
            params=models.CollectionParams(
                vectors=settings.vectors,
                sparse_vectors=shown_sparse(settings),
                on_disk_payload=settings.on_disk_payload is not False,
                payload=settings.payload,
                id_tracker=settings.id_tracker,
            ),
            hnsw_config=models.HnswConfig(
                **{
                    **HNSW_DEFAULTS,
                    **(set_fields(settings.hnsw_config) if settings.hnsw_config else {}),
                }
            ),
            # The engine's log has no settings: these are its own.
            wal_config=models.WalConfig(wal_capacity_mb=32, wal_segments_ahead=0),
            optimizer_config=models.OptimizersConfig(
                **{
                    "default_segment_number": 0,
                    "flush_interval_sec": 0,
                    "indexing_threshold": INDEXING_THRESHOLD_KB,
                    **optimizers,
                }
            ),
            quantization_config=settings.quantization_config,
            metadata=settings.metadata,
        ),
        payload_schema={
            field: models.PayloadIndexInfo(
                data_type=_schema_type(index.data_type),
                params=_index_params(index),
                points=index.points,
            )
            for field, index in info.payload_schema.items()
        },
    )


def _schema_type(kind: edge.PayloadSchemaType) -> models.PayloadSchemaType:
    return next(plain for plain in models.PayloadSchemaType if _same_type(plain) == kind)


def _same_type(kind: models.PayloadSchemaType) -> edge.PayloadSchemaType | None:
    return edge_enum(edge.PayloadSchemaType, kind)


def edge_index_params(given: Any) -> Any:
    """Convert the settings of a payload index."""
    if given is None or isinstance(given, str):
        return _same_type(models.PayloadSchemaType(given))
    fields = edge_parts(given)
    fields.pop("type")
    return getattr(edge, type(given).__name__)(**fields)


def edge_parts(given: BaseModel) -> dict[str, Any]:
    """Convert the fields that were set of what says how texts are cut into words."""
    return {
        name: _INDEX_PARTS[name](value) if name in _INDEX_PARTS else value
        for name, value in set_fields(given).items()
    }


def _stopwords(given: models.Language | models.StopwordsSet) -> Any:
    if isinstance(given, models.StopwordsSet):
        languages = {_language(name) for name in given.languages or []}
        return edge.StopwordsSet(languages, set(given.custom or []))
    return _language(given)


def _language(given: models.Language) -> Any:
    return edge_enum(edge.Language, given)


def _stemmer(given: models.SnowballParams | models.DisabledStemmerParams) -> Any:
    if isinstance(given, models.SnowballParams):
        language: Any = edge_enum(edge.SnowballLanguage, given.language)
        return edge.SnowballParams(language)
    return edge.DisabledStemmer()


_INDEX_PARTS: dict[str, Callable[[Any], Any]] = {
    "memory": lambda given: edge_enum(edge.Memory, given),
    "tokenizer": lambda given: edge_enum(edge.TokenizerType, given),
    "stopwords": _stopwords,
    "stemmer": _stemmer,
    "scoring": bool,  # BM25 is the only kind
}


def _index_params(index: "edge.PayloadIndexInfo") -> Any:
    """Return the settings of a payload index as the client has them; None where none were given."""
    given: Any = index.params
    if given is None:
        return None
    target = getattr(models, type(given).__name__)
    fields: dict[str, Any] = {"type": _schema_type(index.data_type).value}
    for name in target.model_fields.keys() - {"type"}:
        if (value := getattr(given, name, None)) is not None:
            fields[name] = _plain_part(value)
    return target(**fields)


def _plain_part(value: Any) -> Any:
    """Turn the engine's part of an index setting into what the client's models accept."""
    if isinstance(value, edge.StopwordsSet):
        return models.StopwordsSet(
            languages=[
                models.Language(name) for name in sorted(map(_plain_name, value.languages or []))
            ]
            or None,
            custom=sorted(value.custom or []) or None,
        )
    if isinstance(value, edge.SnowballParams):
        language = models.SnowballLanguage(_plain_name(value.language))
        return models.SnowballParams(type=models.Snowball.SNOWBALL, language=language)
    if isinstance(value, edge.DisabledStemmer):
        return models.DisabledStemmerParams(type=models.NoStemmer.NONE)
    if isinstance(value, edge.TextScoringParams):
        return True  # BM25 is the only kind
    return value if isinstance(value, bool | int | float | str) else _plain_name(value)


def _plain_name(member: Any) -> str:
    """Return the client's word for a member of one of the engine's enums: English -> english."""
    return str(member).rpartition(".")[2].lower()
