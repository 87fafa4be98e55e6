"""What ``recommend`` builds and asks: a sample of the vectors, and queries that are not in it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters import registry
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.evaluation.searcher import Queries, Searchable, Searcher, draw
from mrl_adapters.evaluation.word_tuning import FEWEST, JudgedQuestions
from mrl_adapters.qdrant import CollectionLayout
from mrl_adapters.qdrant.ids import point_id
from mrl_adapters.qdrant.layout import Distance
from mrl_adapters.qdrant.points import checked_queries, checked_vectors
from mrl_adapters.vectors import FloatArray

_AMPLE = 1.2  # times the least number of queries
_MANY = 2.5  # times that number, where vectors abound


class LayoutSample(NamedTuple):
    """What is built and asked."""

    base: CollectionLayout
    documents: FloatArray
    queries: Queries
    points: int
    store: Searchable | None
    asked: Queries
    """The queries for the whole of the store: a point that is one does not find itself."""
    judged: JudgedQuestions | None = None
    """Judged questions; documents by their rows in the sample, which holds all that answer one."""
    judged_in_store: JudgedQuestions | None = None
    """The same; documents by the ids that they have in the store."""


def draw_sample(
    source: ArrayLike | Searchable,
    queries: ArrayLike | None,
    least: int,
    sample: int,
    model: str | None,
    distance: Distance,
    rng: np.random.Generator,
    judged: JudgedQuestions | None = None,
) -> LayoutSample:
    """Draw the sample and, unless they are given, the queries from the vectors.

    Documents that answer a judged question are part of the sample, and no queries.
    Where there are more vectors than are built, more than the least number of queries are held
    back: plans that miss a little can be proved, too.
    """
    ample = math.ceil(_MANY * least)
    store: Searchable | None = None
    own: Sequence[models.ExtendedPointId | None] = ()
    if hasattr(source, "collection") and hasattr(source, "driver"):
        store = cast("Searchable", source)
        searcher = Searcher(store, 1)
        points, (found, own) = searcher.points, draw(searcher, sample + ample, rng)
        ids = {each: point_id(each) for each in _answers(judged)}
        stored = dict(searcher.vectors(list(ids.values())))
        answers = {each: stored[own_id] for each, own_id in ids.items() if own_id in stored}
        others = [row for row, each in enumerate(own) if each not in stored]
        found, own = found[others], [own[row] for row in others]
        layout = searcher.layout
        # What a collection is cut to, and its codes, are what is looked for.
        base = CollectionLayout(
            layout.dimensions,
            (),
            layout.distance,
            model=layout.model or model,
            reduction=layout.reduction,
            full_name=layout.full_name,
        )
    else:
        array = np.asarray(source, dtype=np.float32)
        points = len(array)
        answers = {each: array[int(each)] for each in _answers(judged) if _is_row(each, points)}
        rows = rng.permutation(points)
        rows = rows[~np.isin(rows, [int(each) for each in answers])]
        found = array[rows[: sample + ample]]
        found = checked_vectors(found, [f"vector {row}" for row in range(len(found))], None)
        spec = registry.find(model) if model else None
        reduction = spec.reduction if spec and spec.reduction != "none" else "prefix"
        base = CollectionLayout(found.shape[1], (), distance, model=model, reduction=reduction)
    if queries is None:
        held = min(ample, max(math.ceil(_AMPLE * least), len(found) - sample), len(found) // 2)
        asked, documents = found[:held], found[held:]
    else:
        given = np.asarray(queries, dtype=np.float32)
        names = [f"query {row}" for row in range(len(given))]
        asked = checked_queries(given, names, base.dimensions)[rng.permutation(len(given))]
        documents, own = found[:sample], ()
    if answers:
        rest = documents[: max(0, sample - len(answers))]
        documents = np.concatenate([np.asarray([*answers.values()], dtype=np.float32), rest])
    if not len(documents):
        msg = "No vectors to measure with. Pass some, or a collection that holds some."
        raise ConfigurationError(msg)
    nobody = [None] * len(asked)
    of_store = Queries(asked, own[: len(asked)] or nobody)
    drawn = LayoutSample(base, documents, Queries(asked, nobody), points, store, of_store)
    if judged is None:
        return drawn
    in_sample = {each: str(row) for row, each in enumerate(answers)}
    return drawn._replace(
        judged=_answered(judged, in_sample, base.dimensions),
        judged_in_store=_answered(judged, {each: each for each in answers}, base.dimensions),
    )


def _answers(judged: JudgedQuestions | None) -> list[str]:
    """List the documents that answer a question, each once."""
    qrels = {} if judged is None else judged.qrels
    return [*dict.fromkeys(each for found in qrels.values() for each in found if found[each] > 0)]


def _is_row(document: str, points: int) -> bool:
    return document.isascii() and document.isdecimal() and int(document) < points


def _answered(
    judged: JudgedQuestions, names: Mapping[str, str], dimensions: int
) -> JudgedQuestions:
    """Keep the questions that are answered by documents that are there, under other names.

    Raises:
        ConfigurationError: There are fewer than 20.
    """
    vectors = checked_queries(
        judged.vectors, [f"question {name!r}" for name in judged.texts], dimensions
    )
    qrels: dict[str, dict[str, int]] = {}
    for question in judged.texts:
        found = judged.qrels.get(question, {})
        if grades := {names[each]: found[each] for each in found if each in names}:
            qrels[question] = grades
    if len(qrels) < FEWEST:
        msg = (
            f"Judging layouts takes at least {FEWEST} questions with a relevant document among the "
            f"vectors, found {len(qrels)}. Documents are called by the ids that they were added "
            "under, those of an array or a file by their row, from 0. Pass more, or leave judged "
            "out."
        )
        raise ConfigurationError(msg, found=len(qrels), expected=FEWEST)
    rows = [row for row, question in enumerate(judged.texts) if question in qrels]
    texts = {question: judged.texts[question] for question in qrels}
    return JudgedQuestions(texts, vectors[rows], qrels)
