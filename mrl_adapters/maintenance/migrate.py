"""Bring an existing collection to two stages without embedding anything again.

``job`` finds out what is to be done and ``dry_run`` tells of it; ``in_place`` or ``copy`` does it:
a further step goes there. A copy ends with ``switch``. ``text_index`` and ``text_vectors`` come
last, or alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from mrl_adapters.arguments import refuse_unknown
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.maintenance.checkpoint import Mode
from mrl_adapters.maintenance.client import RetryingClient
from mrl_adapters.maintenance.copy import migrate_by_copy
from mrl_adapters.maintenance.dry_run import describe
from mrl_adapters.maintenance.in_place import migrate_in_place
from mrl_adapters.maintenance.job import Job, Request, prepare
from mrl_adapters.maintenance.result import CopyTarget, MigrationPlan, MigrationResult
from mrl_adapters.maintenance.source import read_source
from mrl_adapters.maintenance.switch import UnfinishedSwitch
from mrl_adapters.maintenance.text_index import (
    add_text_index,
    placed_index,
    plan_text_index,
    steps_of,
)
from mrl_adapters.maintenance.text_vectors import (
    TextVectors,
    add_text_vectors,
    computing_steps,
    placed,
    plan_text_vectors,
)
from mrl_adapters.progress import ProgressCallback
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.late_interaction import TokenVectors
from mrl_adapters.qdrant.lexical import TextIndex
from mrl_adapters.qdrant.sparse import SparseVectors
from mrl_adapters.qdrant.text_indexes import check_ranking
from mrl_adapters.vectors import Rotation

_SETTINGS = ("quantization", "hnsw_m", "hnsw_ef_construct", "full_datatype")


def migrate(  # noqa: PLR0913 - what may be said of a migration; a copy's own part is CopyTarget
    client: Client,
    collection_name: str,
    *,
    stages: Sequence[int] | None = None,
    mode: Mode = "in_place",
    target: str | CopyTarget | None = None,
    rotation: Rotation | Literal["auto"] | None = None,
    model: str | None = None,
    full_name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    text_index: TextIndex | None = None,
    sparse: SparseVectors | None = None,
    late_interaction: TokenVectors | None = None,
    progress: ProgressCallback | None = None,
) -> MigrationResult:
    """Give an existing collection short vectors, derived from the full ones that it stores.

    Nothing is embedded again. It may be interrupted at any moment, even killed: run again, it
    goes on where it stopped; run on a finished collection, it checks it and mends what is wrong.
    Other writers may go on meanwhile; what they change is found and done in the last passes. Only
    what a writer that knows nothing of short vectors changes behind the very last comparison is
    left, as is what it writes afterwards: ``audit`` counts it, ``repair`` mends it.

    ``mode="in_place"`` adds named vectors to the collection (embedded engine, local mode, servers
    from 1.18). ``mode="copy"`` writes a new collection with the ideal layout, in this client or
    another one, and never touches the old one unless ``CopyTarget`` asks for it. An alias is
    switched only to a copy that has settled, and the old collection is deleted only if, compared
    once more right before, it equals the copy in content and count. What is written to the old
    collection behind that comparison is not found (on the embedded engine, this client's stores
    wait), and a finished copy is never written to again: let the writers rest for the end of it,
    then move them over.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors; those that the collection has already are kept. None at
            all, ``()``, drops them: the full vectors get a graph and codes in their place. None
            takes (256,), or half of the full size where that is smaller; in a copy, and beside
            ``text_index``, ``sparse`` or ``late_interaction`` in place, those that there are.
        mode: In place, or into a copy.
        target: Name of the copy, or a CopyTarget with another client, an alias to switch, and
            whether to delete the old collection. None calls it ``<name>_two_stage``.
        rotation: Rotation to slice after; "auto" fits one on the collection's own vectors.
        model: Name of the embedding model, if it is known: its reduction is used, and models
            whose vectors cannot be sliced are refused.
        full_name: Which vector is the full one, where several could be meant.
        settings: Fields of a CollectionLayout that are to change, such as
            ``{"quantization": "turbo4", "hnsw_m": 32}``: codes and graphs of what is searched
            first, those of the stages that are kept, too; ``full_datatype`` in a copy alone.
        text_index: A text index that ranks by BM25, for hybrid search; one that is there is
            replaced where it differs. Texts of LlamaIndex's nodes are put where it finds them.
        sparse: Sparse vectors for hybrid search, computed from the stored texts; those that the
            collection says it has are replaced where they differ.
        late_interaction: Token vectors, computed from the stored texts by their encoder; those that
            the collection says it has are replaced where they differ.
        progress: Called with a Progress after each page of points.

    Raises:
        ConfigurationError: The arguments contradict each other, or the model cannot be sliced.
        DimensionsError: A stage does not fit the vectors.
        MigrationError: The collection, the engine or the target cannot do it.
        CollectionMismatchError: Somebody else's collection has the name that the rotation is to
            be kept under.
    """
    patient = RetryingClient(client)
    request = _request(stages, mode, target, rotation, model, full_name, settings)
    vectors = _given(sparse, late_interaction)
    if (text_index or vectors) and _is_alone(stages, request):
        done = _added(patient, collection_name, full_name, text_index, vectors, progress)
        return _together(done[-1], done)
    job = prepare(patient, collection_name, request, progress)
    if text_index is not None:  # refused before anything is written
        job.target.run(check_ranking(collection_name))
    if isinstance(job, Job):
        for each in vectors:
            job = job.with_vectors(placed(job.source, each))
    done_first = _carried_out(job, progress)
    added = _added(job.target, done_first.target_name, None, text_index, vectors, progress)
    return _together(done_first, added)


def _given(
    sparse: SparseVectors | None, late_interaction: TokenVectors | None
) -> list[TextVectors]:
    return [each for each in (sparse, late_interaction) if each is not None]


def _added(
    client: RetryingClient,
    name: str,
    full_name: str | None,
    text_index: TextIndex | None,
    vectors: Sequence[TextVectors],
    progress: ProgressCallback | None,
) -> list[MigrationResult]:
    """Add what is computed from texts, one after the other."""
    done = []
    if text_index is not None:
        source = read_source(client, name, full_name)
        done.append(add_text_index(client, source, text_index, progress))
    for each in vectors:
        source = read_source(client, name, full_name)
        done.append(add_text_vectors(client, source, each, progress))
    return done


def _together(result: MigrationResult, added: Sequence[MigrationResult]) -> MigrationResult:
    """Tell in one result what several steps have added, and whether all have settled."""
    fields = ("text_index", "sparse", "late_interaction")
    told = {
        field: value
        for each in added
        for field in fields
        if (value := getattr(each, field)) is not None
    }
    settled = result.settled and all(each.settled for each in added)
    return replace(result, settled=settled, **told)


def _carried_out(job: Job | UnfinishedSwitch, progress: ProgressCallback | None) -> MigrationResult:
    if isinstance(job, UnfinishedSwitch):
        return job.finish()
    if job.destination is None:
        return migrate_in_place(
            job.client, job.source, job.layout, progress, resettled=job.resettled
        )
    return migrate_by_copy(job.client, job.source, job.destination, progress)


def plan_migration(  # noqa: PLR0913 - as migrate
    client: Client,
    collection_name: str,
    *,
    stages: Sequence[int] | None = None,
    mode: Mode = "in_place",
    target: str | CopyTarget | None = None,
    rotation: Rotation | Literal["auto"] | None = None,
    model: str | None = None,
    full_name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    text_index: TextIndex | None = None,
    sparse: SparseVectors | None = None,
    late_interaction: TokenVectors | None = None,
) -> MigrationPlan:
    """Describe what :func:`migrate` would do, without writing anything.

    The arguments are those of :func:`migrate`, and so are the errors.

    Args:
        client: Client that holds the collection.
        collection_name: The collection, or an alias of it.
        stages: Sizes of the short vectors.
        mode: In place, or into a copy.
        target: Where a copy goes.
        rotation: Rotation to slice after; "auto" fits one here too, to see that it can be done.
        model: Name of the embedding model.
        full_name: Which vector is the full one.
        settings: Fields of a CollectionLayout that are to change.
        text_index: A text index that ranks by BM25.
        sparse: Sparse vectors, computed from the stored texts.
        late_interaction: Token vectors, computed from the stored texts.
    """
    patient = RetryingClient(client)
    request = _request(stages, mode, target, rotation, model, full_name, settings)
    vectors = _given(sparse, late_interaction)
    if (text_index or vectors) and _is_alone(stages, request):
        source = read_source(patient, collection_name, full_name)
        plans = [plan_text_index(patient, source, text_index)] if text_index is not None else []
        plans += [plan_text_vectors(patient, source, each) for each in vectors]
        return replace(plans[-1], steps=tuple(step for each in plans for step in each.steps))
    job = prepare(patient, collection_name, request)
    if isinstance(job, UnfinishedSwitch):
        return job.plan()
    plan = describe(job)
    steps = plan.steps
    if text_index is not None:
        steps += steps_of(job.source, placed_index(patient, job.source, text_index), 0)
    for each in vectors:
        steps += computing_steps(placed(job.source, each), plan.points)
    return replace(plan, steps=steps)


def _is_alone(stages: Sequence[int] | None, request: Request) -> bool:
    """Return whether a migration has to do with texts alone."""
    others = (request.copy, request.rotation, request.model)
    return stages is None and all(each is None for each in others) and not request.settings


def _request(
    stages: Sequence[int] | None,
    mode: Mode,
    target: str | CopyTarget | None,
    rotation: Rotation | Literal["auto"] | None,
    model: str | None,
    full_name: str | None,
    settings: Mapping[str, Any] | None,
) -> Request:
    if mode not in {"in_place", "copy"}:
        msg = f"migrate(mode={mode!r}): expected 'in_place' or 'copy'."
        raise ConfigurationError(msg)
    if mode == "in_place" and target is not None:
        msg = "migrate(target=...) says where a copy goes: pass mode='copy' with it, or leave it."
        raise ConfigurationError(msg)
    chosen = {name: value for name, value in (settings or {}).items() if value is not None}
    if settings and "quantization" in settings:
        chosen["quantization"] = settings["quantization"]  # None means no codes
    refuse_unknown("migrate's settings", chosen, _SETTINGS)
    if mode == "in_place" and "full_datatype" in chosen:
        msg = (
            "migrate(settings={'full_datatype': ...}): stored vectors keep their type; write a "
            "copy: mode='copy'."
        )
        raise ConfigurationError(msg)
    place = target if isinstance(target, CopyTarget) else CopyTarget(target)
    return Request(
        None if stages is None else tuple(stages),
        place if mode == "copy" else None,
        rotation,
        model,
        full_name,
        chosen,
    )
