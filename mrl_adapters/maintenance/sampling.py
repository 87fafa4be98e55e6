"""Draw full vectors from all over a collection, to learn a rotation from."""

from collections.abc import Iterator, Sequence

import numpy as np
from qdrant_client import models

from mrl_adapters.maintenance.pages import column, count_points, page_points, read_pages
from mrl_adapters.maintenance.source import Source
from mrl_adapters.progress import Meter, ProgressCallback
from mrl_adapters.qdrant.driver import Driver
from mrl_adapters.qdrant.flow import ask
from mrl_adapters.vectors import FloatArray

_POINTS = 20_000

Page = Sequence[models.Record | models.ScoredPoint]


def sample_vectors(
    driver: Driver, source: Source, report: ProgressCallback | None
) -> Iterator[FloatArray]:
    """Read every full vector of a small collection, 20,000 random ones of a larger one.

    Random, because points that lie together by their ids may be of one kind.

    Args:
        driver: Reaches the collection.
        source: The collection.
        report: Told of each page.

    Yields:
        Finite vectors, shape (n, d), page by page.
    """
    width = source.full.size
    total = count_points(driver, source.name)
    wanted = min(_POINTS, total)
    meter = Meter("fitting a rotation", wanted, report)
    pages = _all_pages(driver, source) if total <= _POINTS else _random_pages(driver, source)
    read = 0
    for points in pages:
        vectors = column(points, source.full_name, width)
        yield vectors[np.isfinite(vectors).all(axis=1)]
        read += len(points)
        meter.step(len(points))
        if read >= wanted:
            return


def _all_pages(driver: Driver, source: Source) -> Iterator[Page]:
    size = page_points(source.full.size)
    for records, _ in read_pages(driver, source.name, size, vectors=[source.full_name]):
        yield records


def _random_pages(driver: Driver, source: Source) -> Iterator[Page]:
    while points := _draw(driver, source):
        yield points


def _draw(driver: Driver, source: Source) -> list[models.ScoredPoint]:
    answer = driver.run(
        ask(
            lambda c: c.query_points(
                source.name,
                query=models.SampleQuery(sample=models.Sample.RANDOM),
                limit=page_points(source.full.size),
                with_payload=False,
                with_vectors=[source.full_name],
            )
        )
    )
    return answer.points
