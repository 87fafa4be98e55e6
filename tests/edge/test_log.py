"""Whatever was acknowledged is the same after close and reopen, and after a kill, as before."""

import contextlib
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import models

from mrl_adapters.edge import EdgeClient
from mrl_adapters.edge.limits import MAX_FILTER_DEPTH, MAX_PAYLOAD_DEPTH
from mrl_adapters.errors import MRLError

KEYS = st.sampled_from(["n", "m", "a b", "é", "", "t"])
PATHS = st.sampled_from([None, "n", "m.n", "m[0].t", '"a b".n', ".".join("x" * 60)])
IDS = st.integers(0, 6)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    st.floats(width=32),
    st.sampled_from([math.nan, math.inf, -math.inf, 5e-324, 1.5e308, -0.0]),
)
STAMPS = st.sampled_from(["2024-05-01", "2024-05-01T10:00:00+02:00", "0000-01-01", "no"])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, STAMPS, st.text(max_size=5))


def nested(value: Any, levels: int, *, lists: bool) -> Any:
    for _ in range(levels):
        value = [value] if lists else {"m": value}
    return value


DEEP = st.builds(
    nested,
    SCALARS,
    st.sampled_from([0, 1, 2, MAX_PAYLOAD_DEPTH - 4, MAX_PAYLOAD_DEPTH, 130, 3_000]),
    lists=st.booleans(),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), DEEP)
PAYLOADS = st.dictionaries(KEYS, VALUES, max_size=3)


def wrapped(condition: Any, levels: int, kind: str) -> models.Filter:
    inner = models.Filter(must=[condition])
    for _ in range(levels):
        if kind == "nested":
            inner = models.Filter(
                must_not=[models.NestedCondition(nested=models.Nested(key="m", filter=inner))]
            )
        else:
            inner = models.Filter(**{kind: [inner]})
    return inner


BOUNDS = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), NUMBERS, max_size=2)
CONDITIONS = st.one_of(
    st.builds(
        lambda key, bounds: models.FieldCondition(
            key=key, range=models.Range.model_construct(**bounds)
        ),
        st.sampled_from(["n", "m.n", "m[].n"]),
        BOUNDS,
    ),
    st.builds(
        lambda bounds: models.FieldCondition(key="t", range=models.DatetimeRange(**bounds)),
        st.dictionaries(
            st.sampled_from(["gt", "lte"]), st.sampled_from(["2024-05-01T00:00:00Z"]), max_size=1
        ),
    ),
    st.builds(
        lambda value: models.FieldCondition(
            key="n", match=models.MatchValue.model_construct(value=value)
        ),
        SCALARS,
    ),
    st.builds(lambda ids: models.HasIdCondition(has_id=ids), st.lists(IDS, max_size=3)),
    st.builds(
        lambda key: models.IsEmptyCondition(is_empty=models.PayloadField(key=key)),
        st.sampled_from(["n", "m"]),
    ),
)
FILTERS = st.builds(
    wrapped,
    CONDITIONS,
    st.sampled_from([0, 1, 2, MAX_FILTER_DEPTH // 4 - 1, MAX_FILTER_DEPTH // 2 - 1, 70, 2_000]),
    st.sampled_from(["must", "should", "must_not", "nested"]),
)
SELECTORS = st.one_of(st.lists(IDS, max_size=2), FILTERS)
VECTORS = st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=2)
POINTS = st.lists(
    st.builds(
        lambda at, row, payload: models.PointStruct.model_construct(
            id=at, vector={"v": row}, payload=payload
        ),
        IDS,
        VECTORS,
        PAYLOADS,
    ),
    min_size=1,
    max_size=3,
)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.fixed_dictionaries({"points": POINTS})),
        st.tuples(
            st.just("upsert"), st.fixed_dictionaries({"points": POINTS, "update_filter": FILTERS})
        ),
        st.tuples(
            st.just("set_payload"),
            st.fixed_dictionaries({"payload": PAYLOADS, "points": SELECTORS, "key": PATHS}),
        ),
        st.tuples(
            st.just("overwrite_payload"),
            st.fixed_dictionaries({"payload": PAYLOADS, "points": SELECTORS}),
        ),
        st.tuples(
            st.just("delete_payload"),
            st.fixed_dictionaries({"keys": st.lists(KEYS, max_size=2), "points": SELECTORS}),
        ),
        st.tuples(st.just("clear_payload"), st.fixed_dictionaries({"points_selector": SELECTORS})),
        st.tuples(st.just("delete"), st.fixed_dictionaries({"points_selector": SELECTORS})),
        st.tuples(
            st.just("delete_vectors"),
            st.fixed_dictionaries({"vectors": st.just(["v"]), "points": SELECTORS}),
        ),
        st.tuples(
            st.just("create_payload_index"),
            st.fixed_dictionaries(
                {
                    "field_name": st.sampled_from(["n", "m.n", '"a b"']),
                    "field_schema": st.sampled_from(["integer", "float", "keyword", "datetime"]),
                }
            ),
        ),
        st.tuples(st.just("update_collection"), st.fixed_dictionaries({"metadata": PAYLOADS})),
    ),
    min_size=1,
    max_size=8,
)


def state(client: EdgeClient) -> Any:
    points, _ = client.scroll("docs", limit=100, with_vectors=True)
    info = client.get_collection("docs")
    return [repr(each) for each in points], info.config.metadata, info.payload_schema.keys()


def holds(operations: list[tuple[str, dict[str, Any]]]) -> None:
    """Apply operations, refused ones included, and compare what is read later with now."""
    root = Path(tempfile.mkdtemp())
    try:
        with EdgeClient(root / "closed") as client:
            client.create_collection("docs", {"v": models.VectorParams(size=2, distance="Dot")})
            for name, arguments in operations:
                with contextlib.suppress(MRLError, ValueError):
                    getattr(client, name)("docs", **arguments)
            # A copy of the files is what a killed process leaves: the engine maps them.
            shutil.copytree(root / "closed", root / "killed")
            before = state(client)
        for folder in ("closed", "killed"):
            with EdgeClient(root / folder) as client:
                assert state(client) == before, folder
            with EdgeClient(root / folder) as client:
                assert state(client) == before, f"{folder}, opened twice"
    finally:
        shutil.rmtree(root)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPERATIONS)
def test_what_was_acknowledged_is_read_back_from_the_log(
    operations: list[tuple[str, dict[str, Any]]],
) -> None:
    holds(operations)


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(OPERATIONS)
def test_what_was_acknowledged_is_read_back_from_the_log_in_many_draws(
    operations: list[tuple[str, dict[str, Any]]],
) -> None:
    holds(operations)
