"""Give an existing collection a text index that ranks by BM25.

The engine builds it from the texts in the payloads. LlamaIndex's nodes keep theirs in JSON: they
get it beside, under the indexed field. Nothing is embedded, and no vector is touched.
"""

import time

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.client import Records, RetryingClient
from mrl_adapters.maintenance.result import MigrationPlan, MigrationResult
from mrl_adapters.maintenance.source import Source
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.contents import node_text
from mrl_adapters.qdrant.description import ranking_text_index, short_vectors, stored_metadata
from mrl_adapters.qdrant.filters.keys import written
from mrl_adapters.qdrant.layout import METADATA_KEY
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.payload_keys import NODE_KEY, AskedKeys, find_keys, stored_keys
from mrl_adapters.qdrant.text_indexes import check_ranking, top_key

_NODES_PER_PAGE = 1_000


def add_text_index(
    client: RetryingClient,
    source: Source,
    wanted: TextIndex,
    progress: ProgressCallback | None = None,
) -> MigrationResult:
    """Index a collection's texts, and say so in its metadata where it has any.

    Raises:
        MigrationError: The field has an index of another type.
        ConfigurationError: The engine has no text index that ranks.
    """
    began_s = time.monotonic()
    name = source.name
    index = placed_index(client, source, wanted)
    field = str(index.field)
    present = ranking_text_index(source.info)
    for old in _outdated(source, index):
        client.delete_payload_index(name, old, wait=True)
    if present != index:
        client.create_payload_index(name, field, field_schema=index.params(), wait=True)
    if stored := stored_metadata(client.get_collection(name)):
        metadata = {METADATA_KEY: {**stored, "text_index": index.described()}}
        client.update_collection(name, metadata=metadata)
    moved = _put_texts(client, name, top_key(field), progress)
    return MigrationResult(
        mode="in_place",
        collection_name=name,
        target_name=name,
        stages=_stages(source),
        points=client.count_points(name),
        written=moved,
        elapsed_s=time.monotonic() - began_s,
        text_index=field,
    )


def plan_text_index(client: RetryingClient, source: Source, wanted: TextIndex) -> MigrationPlan:
    """Describe what :func:`add_text_index` would do, without writing anything."""
    index = placed_index(client, source, wanted)
    nodes = client.count_points(source.name, _nodes_without(top_key(str(index.field))))
    return MigrationPlan(
        mode="in_place",
        collection_name=source.name,
        target_name=source.name,
        full_name=source.full_name,
        dimensions=source.full.size,
        distance=source.full.distance.value,
        stages=_stages(source),
        model=stored_metadata(source.info).get("model"),
        points=client.count_points(source.name),
        points_to_write=nodes,
        steps=steps_of(source, index, nodes),
    )


def steps_of(source: Source, index: TextIndex, nodes: int) -> tuple[str, ...]:
    """Tell what happens, one sentence each."""
    steps = [f"delete the index of {old!r}" for old in _outdated(source, index)]
    if ranking_text_index(source.info) != index:
        language = f" as {index.language}" if index.language else ""
        steps.append(f"index the texts under {index.field!r}{language}, to rank by BM25")
    if nodes:
        steps.append(f"put the texts of {nodes:,} LlamaIndex nodes under {index.field!r}")
    return tuple(steps)


def placed_index(client: RetryingClient, source: Source, wanted: TextIndex) -> TextIndex:
    """Choose the field that is indexed: as asked, as it is now, or where texts are kept."""
    client.run(check_ranking(source.name))
    present = ranking_text_index(source.info)
    keys = stored_keys(source.info)
    if wanted.field is None and present is None and keys is None:
        keys = client.run(find_keys(source.name, AskedKeys(), None)).keys
    index = wanted
    if present is not None and present.field is not None:
        index = wanted.on(present.field)
    elif keys is not None:
        index = wanted.on(written(keys.content))
    there = (source.info.payload_schema or {}).get(str(index.field))
    if there is not None and there.data_type is not models.PayloadSchemaType.TEXT:
        kind = there.data_type.value
        msg = (
            f"Collection {source.name!r}: {index.field!r} has an index of type {kind}, expected "
            f"none or a text index. Delete it first: client.delete_payload_index("
            f"{source.name!r}, {index.field!r})"
        )
        raise MigrationError(msg, collection=source.name, found=kind, expected="text")
    return index


def _outdated(source: Source, index: TextIndex) -> list[str]:
    """List the text indexes that this one takes the place of."""
    present = ranking_text_index(source.info)
    ranking = {str(present.field)} if present is not None and present != index else set()
    there = (source.info.payload_schema or {}).get(str(index.field))
    if there is not None and TextIndex.of(str(index.field), there.params) != index:
        ranking.add(str(index.field))
    return sorted(ranking)


def _put_texts(
    client: RetryingClient, name: str, key: str, progress: ProgressCallback | None
) -> int:
    lacking = _nodes_without(key)
    meter = Meter("reading nodes' texts", client.count_points(name, lacking), progress)
    moved = 0
    pages = client.pages(name, _NODES_PER_PAGE, payload=[NODE_KEY], query_filter=lacking)
    for records, _ in pages:
        operations = _operations(records, key)
        if operations:
            client.batch_update_points(name, update_operations=operations, wait=True)
        moved += len(operations)
        meter.step(len(records))
    return moved


def _operations(records: Records, key: str) -> list[models.UpdateOperation]:
    texts = [(record.id, node_text(record.payload or {})) for record in records]
    return [
        models.SetPayloadOperation(
            set_payload=models.SetPayload(payload={key: text}, points=[point])
        )
        for point, text in texts
        if text
    ]


def _nodes_without(key: str) -> models.Filter:
    def empty(field: str) -> models.IsEmptyCondition:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=field))

    return models.Filter(must=[empty(written(key))], must_not=[empty(NODE_KEY)])


def _stages(source: Source) -> tuple[int, ...]:
    stored = stored_metadata(source.info)
    if "stages" in stored:
        return tuple(stored["stages"])
    families = short_vectors(source.info)
    return tuple(sorted(families.get(None, {})))
