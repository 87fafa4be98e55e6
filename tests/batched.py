"""A load in batches, as the adapters do it."""

from collections.abc import Sequence

from mrl_adapters.qdrant.flow import Flow
from mrl_adapters.qdrant.loading import Load
from mrl_adapters.vectors import FloatArray


def stored(load: Load, ids: Sequence[str], rows: FloatArray, batch: int) -> Flow[None]:
    """Load everything, so many at a time; the payload of each is its number."""
    with load.told():
        for start in range(0, len(ids), batch):
            some = slice(start, start + batch)
            payloads = [{"n": row} for row in range(start, start + batch)]
            named = yield from load.name(ids[some], payloads, whole=False)
            yield from load.add(named, rows[some], payloads)
        yield from load.finish()
