"""Give an existing collection vectors that are computed from the texts which it stores.

Sparse ones find words, token vectors rank by late interaction. The full vectors are not touched,
and no text is embedded again by the model that made them. The collection says what such vectors are
before the first is written, so that a run which was interrupted goes on, and points which lack one
are known from the points themselves.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from qdrant_client import models

from mrl_adapters.errors import MigrationError
from mrl_adapters.maintenance.client import Records, RetryingClient
from mrl_adapters.maintenance.in_place import check_engine
from mrl_adapters.maintenance.layout import own_layout
from mrl_adapters.maintenance.recommendations import Recommendation
from mrl_adapters.maintenance.result import MigrationPlan, MigrationResult
from mrl_adapters.maintenance.source import Source
from mrl_adapters.maintenance.updates import write_vectors
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.commands import filling_call
from mrl_adapters.qdrant.description import dense_vectors, stored_metadata
from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.late_interaction import TokenVectors, stored_tokens
from mrl_adapters.qdrant.layout import METADATA_KEY, CollectionLayout
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys, find_keys, stored_keys
from mrl_adapters.qdrant.reading import count_lacking, lacking
from mrl_adapters.qdrant.sparse import USUAL_NAMES, SparseVectors, stored_sparse
from mrl_adapters.qdrant.token_vectors import document_tokens
from mrl_adapters.qdrant.weights import document_weights

TextVectors: TypeAlias = SparseVectors | TokenVectors

_MOST_PASSES = 5


@dataclass(frozen=True)
class Kind:
    """What sets one kind of such vectors apart from the other.

    Args:
        field: The layout's field, which is the metadata's key and the result's field as well.
        counted: What an audit calls the number of points that lack them.
        noun: What one point has of them.
        task: What is done with texts.
        doing: The same, for progress.
        effect: What happens to points that lack them.
        per_page: Texts that are computed and written at once: token vectors are some hundred a
            text, and 16 texts of 500 tokens of 128 numbers are 10 MB of JSON.
        compute: Computes them.
    """

    field: Literal["sparse", "late_interaction"]
    counted: Literal["without_sparse", "without_tokens"]
    noun: str
    task: str
    doing: str
    effect: str
    per_page: int
    compute: Callable[..., Flow[Mapping[str, Sequence[Any]]]]


_SPARSE = Kind(
    "sparse",
    "without_sparse",
    "sparse vector",
    "weigh the words of",
    "weighing words",
    "searches by words cannot find them",
    500,
    document_weights,
)
_TOKENS = Kind(
    "late_interaction",
    "without_tokens",
    "token vectors",
    "compute the token vectors of",
    "computing token vectors",
    "late interaction leaves them out",
    16,
    document_tokens,
)


def kind_of(vectors: TextVectors) -> Kind:
    """Return what sets vectors of texts apart from the other kind."""
    return _SPARSE if isinstance(vectors, SparseVectors) else _TOKENS


def add_text_vectors(
    client: RetryingClient,
    source: Source,
    wanted: TextVectors,
    progress: ProgressCallback | None = None,
) -> MigrationResult:
    """Give every point that has a full vector the vectors of its text, and say so in the metadata.

    Raises:
        MigrationError: The engine cannot add a vector, or one of that name is another program's.
    """
    began_s = time.monotonic()
    name, field = source.name, kind_of(wanted).field
    vectors = placed(source, wanted)
    layout = own_layout(client, source)
    own: TextVectors | None = getattr(layout, field)
    resumed = own == vectors
    if not resumed:
        check_engine(client, name)
        if own is not None:
            client.delete_vector_name(name, own.name)
    stored = stored_metadata(client.get_collection(name)) or layout.metadata()[METADATA_KEY]
    described = {**stored, field: vectors.described()}
    client.update_collection(name, metadata={METADATA_KEY: described})
    if not resumed:
        client.create_vector_name(name, vectors.name, vectors.added())
    if (settings := vectors.settings_of_added()) is not None:  # lost if a run ended right here
        client.update_collection(name, vectors_config={vectors.name: settings})
    filling = Filling(client, source, layout.placed(**{field: vectors}), vectors)
    written = filling.fill(progress)
    for _ in range(_MOST_PASSES):
        if not filling.count_lacking():
            break
        written += filling.fill(progress)
    result = MigrationResult(
        mode="in_place",
        collection_name=name,
        target_name=name,
        stages=layout.stages,
        points=client.count_points(name),
        written=written,
        settled=not filling.count_lacking(),
        resumed=resumed,
        elapsed_s=time.monotonic() - began_s,
    )
    added: dict[str, Any] = {field: vectors.name}
    return replace(result, **added)


def plan_text_vectors(client: RetryingClient, source: Source, wanted: TextVectors) -> MigrationPlan:
    """Describe what :func:`add_text_vectors` would do, without writing anything."""
    vectors = placed(source, wanted)
    layout = own_layout(client, source)
    points = client.count_points(source.name)
    done = getattr(layout, kind_of(wanted).field) == vectors
    if not done:
        check_engine(client, source.name)
    to_write = Filling(client, source, layout, vectors).count_lacking() if done else points
    return MigrationPlan(
        mode="in_place",
        collection_name=source.name,
        target_name=source.name,
        full_name=source.full_name,
        dimensions=source.full.size,
        distance=source.full.distance.value,
        stages=layout.stages,
        model=layout.model,
        points=points,
        points_to_write=to_write,
        resumes=done and bool(to_write),
        steps=computing_steps(vectors, to_write),
    )


def computing_steps(vectors: TextVectors, points: int) -> tuple[str, ...]:
    """Tell what happens, one sentence each."""
    if not points:
        return ()
    task = kind_of(vectors).task
    return (f"{task} {points:,} texts by {vectors.model}, as vector {vectors.name!r}",)


def placed(source: Source, wanted: TextVectors) -> TextVectors:
    """Choose the vector's name: as asked, or as the collection's own is called.

    Raises:
        ConfigurationError: What computes them is not at hand.
        MigrationError: A vector of that name is another program's.
    """
    dense, sparse, stored = dense_vectors(source.info), source.sparse, stored_metadata(source.info)
    own: TextVectors | None
    vectors = wanted
    if isinstance(wanted, SparseVectors):
        own = stored_sparse(stored, sparse)
        if own is not None and wanted.name not in sparse and wanted.name in USUAL_NAMES:
            vectors = replace(wanted, name=own.name)
    else:
        own = stored_tokens(stored, dense)
    vectors.computed_by(source.name)  # refuses what is not at hand
    if (own is None or own.name != vectors.name) and vectors.name in {*dense, *sparse}:
        kind = kind_of(vectors)
        msg = (
            f"Collection {source.name!r} has a vector {vectors.name!r} and does not say what it is "
            f"of. If it is of its texts, search by it: CollectionLayout(..., {kind.field}="
            f"{vectors.spelled()}). Or choose another name, or delete it: "
            f"client.delete_vector_name({source.name!r}, {vectors.name!r})"
        )
        raise MigrationError(msg, collection=source.name, found=vectors.name)
    return vectors


def left_to_models(name: str, counts: Mapping[TextVectors, int]) -> list[Recommendation]:
    """Say how points get vectors that only a model can compute, which is not at hand.

    Args:
        name: The collection.
        counts: How many points lack them.
    """
    found = []
    for vectors, count in counts.items():
        if count and not vectors.can_be_computed:
            kind = kind_of(vectors)
            message = f"{count:,} points lack the {kind.noun} {vectors.name!r}: {kind.effect}."
            call = filling_call(name, kind.field, vectors.spelled())
            found.append(Recommendation(kind.field, message, f"Add them with: {call}"))
    return found


def text_vectors_of(layout: CollectionLayout) -> list[TextVectors]:
    """List the vectors that a collection has of its texts."""
    return [each for each in (layout.sparse, layout.late_interaction) if each is not None]


class Filling:
    """Gives points the vectors of their texts that they lack.

    Args:
        client: Client that holds the collection.
        source: The collection.
        layout: What it is, these vectors with it.
        vectors: Which of them to fill in.
    """

    def __init__(
        self,
        client: RetryingClient,
        source: Source,
        layout: CollectionLayout,
        vectors: TextVectors,
    ) -> None:
        self._client = client
        self._name = source.name
        self._layout = layout
        self._vector = vectors.name
        self._kind = kind_of(vectors)
        stored = stored_keys(source.info)
        self._keys: PayloadKeys = client.run(find_keys(self._name, AskedKeys(), stored)).keys

    def count_lacking(self) -> int:
        """Count the points that have a full vector and lack these."""
        flow = count_lacking(self._name, self._layout.full_name, [self._vector])
        return self._client.run(flow)

    def fill(self, progress: ProgressCallback | None) -> int:
        """Write what is missing, and count the points; who got it meanwhile keeps it."""
        affected = lacking(self._layout.full_name, [self._vector])
        total = self._client.count_points(self._name, affected)
        meter = Meter(self._kind.doing, total, progress)
        written = 0
        pages = self._client.pages(
            self._name, self._kind.per_page, payload=True, query_filter=affected
        )
        with self._client.bulk_writes(self._name):
            for records, _ in pages:
                self._write(records, affected)
                written += len(records)
                meter.step(len(records))
        return written

    def _write(self, records: Records, affected: models.Filter) -> None:
        payloads = [record.payload or {} for record in records]
        names = [f"point {record.id!r}" for record in records]
        flow = self._kind.compute(self._name, self._layout, payloads, self._keys, names)
        [column] = self._client.run(flow).values()
        points = [
            models.PointVectors.model_construct(id=record.id, vector={self._vector: vector})
            for record, vector in zip(records, column, strict=True)
        ]
        keys = [record.shard_key for record in records]
        write_vectors(self._client, self._name, points, keys, affected)
