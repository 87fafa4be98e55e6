"""Random filters over random metadata give what reading them in plain Python gives.

Both adapters' syntaxes, on each engine, for search, scroll, count and delete.
"""

import datetime as dt
import math
import operator
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from real_server import server_client

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.langchain.filters import to_filter
from mrl_adapters.qdrant import CollectionLayout, connect
from mrl_adapters.qdrant.driver import Client

# --- the rules, for LangChain's dicts ---------------------------------------------------------

COMPARE = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
STEP = re.compile(r'(?:"([^"]*)"|([^".\[\]]+))((?:\[\d*\])*)(\.|$)')


def named(values: list[Any], name: str) -> list[Any]:
    return [each[name] for each in values if isinstance(each, dict) and name in each]


def at_path(values: list[Any], key: str) -> list[Any] | None:
    """Follow a key as a path; None if it is none."""
    at = 0
    while step := STEP.match(key, at):
        quoted, name, members, dot = step.groups()
        values = named(values, name if quoted is None else quoted)
        for place in re.findall(r"\[(\d*)\]", members):
            arrays = [each for each in values if isinstance(each, list)]
            if place:
                values = [each[int(place)] for each in arrays if int(place) < len(each)]
            else:
                values = [member for each in arrays for member in each]
        at = step.end()
        if at == len(key):
            return None if dot else values
    return None


def found_under(values: list[Any], keys: tuple[str, ...]) -> list[list[Any]]:
    """Give the values under each meaning of a key within keys."""
    meanings = [values]
    for key in keys:
        literal = [] if '"' in key else [named(each, key) for each in meanings]
        paths = [at_path(each, key) for each in meanings]
        meanings = literal + [each for each in paths if each is not None]
    return meanings


def moment(value: object) -> dt.datetime | None:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_long(value: object) -> bool:
    return isinstance(value, float) and len(re.sub(r"e.*|\D", "", repr(value)).strip("0")) > 15


def equal(held: Any, wanted: Any) -> bool:
    if is_number(held) and is_number(wanted):
        if is_long(held) or is_long(wanted):
            near = {math.nextafter(wanted, math.inf), math.nextafter(wanted, -math.inf)}
            return held == wanted or (isinstance(held, float) and held in near)
        return bool(held == wanted)
    if isinstance(wanted, dt.date):
        return isinstance(held, str) and moment(held) == moment(wanted)
    return type(held) is type(wanted) and held == wanted


def is_ordered(value: object) -> bool:
    """Tell what may be a bound here; of long floats the neighbours would have to be told."""
    return moment(value) is not None or (is_number(value) and not is_long(value))


def ordered(name: str, held: Any, wanted: Any) -> bool:
    if is_number(wanted):
        return is_number(held) and COMPARE[name](held, wanted)
    when = moment(held) if isinstance(held, str) else None
    return when is not None and COMPARE[name](when, moment(wanted))


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def empty(meanings: list[list[Any]]) -> bool:
    return all(each is None or each == [] for values in meanings for each in values)


def holds(meanings: list[list[Any]], test: Callable[[Any], bool]) -> bool:
    """Test each value, of an array each member."""
    return any(
        test(member)
        for values in meanings
        for each in values
        for member in (each if isinstance(each, list) else [each])
    )


def one_of(meanings: list[list[Any]], wanted: Sequence[Any]) -> bool:
    if None in wanted and empty(meanings):
        return True
    return holds(
        meanings, lambda held: any(equal(held, each) for each in wanted if each is not None)
    )


def contains(meanings: list[list[Any]], wanted: Any) -> bool:
    if one_of(meanings, [wanted]):
        return True
    texts = [each for values in meanings for each in values if isinstance(each, str)]
    return isinstance(wanted, str) and any(
        bool(words(wanted)) and words(wanted) <= words(each) for each in texts
    )


def like(pattern: str) -> Callable[[Any], bool]:
    source = re.escape(pattern).replace("%", ".*")
    return lambda held: isinstance(held, str) and bool(re.fullmatch(source, held, re.DOTALL))


def operated(name: str, meanings: list[list[Any]], wanted: Any) -> bool:
    if name in COMPARE:
        return holds(meanings, lambda held: ordered(name, held, wanted))
    if name == "$exists":
        return empty(meanings) is not wanted
    if name == "$contains":
        return contains(meanings, wanted)
    if name == "$text":
        sought = words(wanted)
        return holds(meanings, lambda held: isinstance(held, str) and sought <= words(held))
    if name == "$like":
        return holds(meanings, like(wanted))
    several = wanted if isinstance(wanted, list) else [wanted]
    held = one_of(meanings, several)
    return held if name in {"$eq", "$in"} else not held


def passes(wanted: Any, metadata: dict[str, Any], keys: tuple[str, ...] = ()) -> bool:
    if not isinstance(wanted, dict):
        return operated("$eq", found_under([metadata], keys), wanted)
    return all(entry_passes(key, value, metadata, keys) for key, value in wanted.items())


def entry_passes(key: str, value: Any, metadata: dict[str, Any], keys: tuple[str, ...]) -> bool:
    if key == "$and":
        return all(passes(each, metadata, keys) for each in value)
    if key == "$or":
        return any(passes(each, metadata, keys) for each in value)
    if key == "$not":
        return not passes(value, metadata, keys)
    if key.startswith("$"):
        return operated(key, found_under([metadata], keys), value)
    return passes(value, metadata, (*keys, key))


# --- random metadata and filters --------------------------------------------------------------

STAMP = 1768907725507217521
ODD_KEYS = ["a b", "a.b", "x/y:z", "it's", "größe", "[0]", "@id", "", "日本", "v1.", "a[0]"]
KEYS = ["n", "m", "a", "tags", *ODD_KEYS]
small = st.integers(-2, 3)
large = st.sampled_from(
    [
        2**49,
        2**51 + 1,
        2**52 - 1,
        2**53 - 1,
        2**53,
        2**53 + 1,
        2**53 + 2,
        2**53 + 3,
        STAMP - 1,
        STAMP,
        STAMP + 1,
        STAMP + 300,
        2**62,
        2**62 + 1,
        2**63 - 1,
        2**63 - 2,
        -(2**63),
        -STAMP,
        -STAMP - 1,
        -(2**53) - 1,
        -(2**53),
    ]
)
floats = st.sampled_from(
    [0.0, 5e-324, 1e-310, 1.0, 2.0, 0.5, -1.5, 1e300, float(2**53), float(2**53 + 4), -1e17]
)
long_floats = st.sampled_from([1739475293.8811238, 0.7364712141640124, -1.7e-5 / 3, 1e20 / 3])
texts = st.sampled_from(["red", "Red file", "big red file", "", "1", "file", "r%d"])
dates = st.sampled_from(["2026-01-31", "2026-02-01T12:00:00Z", "2026-02-01T14:00:00+02:00"])
scalars = st.one_of(small, large, floats, long_floats, texts, dates, st.booleans(), st.none())
arrays = st.lists(scalars, max_size=3)
objects = st.dictionaries(st.sampled_from(["a", "b", "a b"]), scalars | arrays, max_size=2)
held_values = scalars | arrays | objects | st.lists(objects, max_size=2)
metadata = st.dictionaries(st.sampled_from(KEYS), held_values, max_size=5)
filter_keys = st.sampled_from(
    [*KEYS, "a.a", "m.b", "n[].a", "tags[0]", "tags[]", '"a.b"', 'm."a b"', "m.a b", "n[1].b"]
)
OPERATORS = ["$eq", "$ne", "$in", "$nin", *COMPARE, "$exists", "$contains", "$text", "$like"]
orderable = st.one_of(small, large, floats, dates, st.just(dt.date(2026, 2, 1)))
patterns = st.sampled_from(["red", "Red%", "%red%", "%", ""])
comparable = st.one_of(
    small,
    large,
    floats,
    long_floats,
    texts,
    st.booleans(),
    st.none(),
    st.just(dt.date(2026, 1, 31)),
)


def held_in(documents: list[dict[str, Any]]) -> list[Any]:
    """List the values of documents, the members of arrays and nested ones too."""

    def inside(value: Any) -> list[Any]:
        if isinstance(value, dict | list):
            parts = value.values() if isinstance(value, dict) else value
            return [each for part in parts for each in inside(part)]
        return [value]

    return inside(documents)


@st.composite
def operations(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """One or two operators, each with a value that goes with it."""
    several = st.lists(values, max_size=3)
    sought = st.sampled_from(["red", "big", "file red", "missing"])
    chosen: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=2)):
        if name in COMPARE:
            value = draw(values.filter(is_ordered) | orderable)
        elif name == "$exists":
            value = draw(st.booleans())
        elif name == "$contains":
            value = draw(values.filter(lambda each: each is not None) | sought)
        elif name in {"$text", "$like"}:
            value = draw(sought if name == "$text" else patterns)
        else:
            value = draw(several if name in {"$in", "$nin"} else values | several)
        chosen[name] = value
    return chosen


@st.composite
def wanted_of(draw: st.DrawFn, values: st.SearchStrategy[Any], depth: int = 0) -> Any:
    """What one key must be: a value, several, operators, keys below it, or groups of these."""
    kind = draw(st.integers(0, 6 if depth < 3 else 3))
    if kind <= 1:
        return draw(values | st.lists(values, max_size=3))
    if kind <= 3:
        return draw(operations(values))
    inner = wanted_of(values, depth + 1)
    if kind <= 4:
        return draw(
            st.dictionaries(st.sampled_from(["a", "b", "a b"]), inner, min_size=1, max_size=2)
        )
    return {draw(st.sampled_from(["$and", "$or"])): draw(st.lists(inner, max_size=2))}


@st.composite
def dict_about(draw: st.DrawFn, values: st.SearchStrategy[Any], depth: int = 0) -> dict[str, Any]:
    """A filter; most groups are small, and many are empty."""
    kind = draw(st.integers(0, 3 if depth < 4 else 0))
    inner = dict_about(values, depth + 1)
    if kind == 3:
        return {"$not": draw(inner)}
    if kind == 2:
        return {draw(st.sampled_from(["$and", "$or"])): draw(st.lists(inner, max_size=3))}
    return draw(st.dictionaries(filter_keys, wanted_of(values, depth), max_size=2))


def values_like(documents: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    """Values to compare with, half of them from the documents."""
    held = held_in(documents)
    return st.sampled_from(held) | comparable if held else comparable


# --- the engines ------------------------------------------------------------------------------


class OneVector(Embeddings):
    """Every text lies at the same place."""

    def embed_query(self, text: str) -> list[float]:
        return [1.0 + 0 * len(text)] * 4

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


@pytest.fixture(
    scope="module",
    params=["edge", "local", pytest.param("server", marks=pytest.mark.server)],
)
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    if request.param == "server":
        with server_client() as opened:
            yield opened
        return
    if request.param == "edge":
        embedded: Client = connect(path=str(tmp_path_factory.mktemp("filters")))
    else:
        embedded = connect(location=":memory:")
    yield embedded
    embedded.close()


@pytest.fixture(scope="module")
def name(client: Client) -> Iterator[str]:
    """A collection that no other test uses, also on a shared server."""
    chosen = f"mrl_test_{uuid.uuid4().hex[:12]}"
    yield chosen
    client.delete_collection(chosen)


@pytest.fixture(scope="module")
def documents_store(client: Client, name: str) -> MatryoshkaVectorStore:
    return MatryoshkaVectorStore(client, name, OneVector(), layout=CollectionLayout(4, (2,)))


def agrees(store: MatryoshkaVectorStore, data: st.DataObject) -> None:
    """Draw documents and filters; every way of asking gives what the rules give."""
    documents = data.draw(st.lists(metadata, min_size=1, max_size=7))
    names = [str(place) for place in range(len(documents))]
    store.delete()
    store.add_texts(names, documents, ids=names)
    for each in data.draw(st.lists(dict_about(values_like(documents)), min_size=1, max_size=6)):
        expected = {
            n for n, document in zip(names, documents, strict=True) if passes(each, document)
        }
        built = to_filter(each)
        try:
            hits = store.similarity_search("x", k=9, filter=each)
        except ConfigurationError as error:  # a part of a text, on a server before 1.20
            assert error.expected == "1.20"  # noqa: PT017 - most filters raise nothing
            continue
        assert {hit.id for hit in hits} == expected
        scrolled = store.driver.run(store.collection.scroll(built))
        assert {record.payload["page_content"] for record in scrolled} == expected
        assert store.driver.run(store.collection.count(built)) == len(expected)
    left = set(names) - expected
    try:
        store.delete(filter=each)
    except ConfigurationError as error:  # it restricts nothing, and nothing was deleted
        assert not left or error.expected == "1.20"  # noqa: PT017 - most filters raise nothing
        left = set(names)
    records = store.driver.run(store.collection.scroll())
    assert {record.payload["page_content"] for record in records} == left


QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
LONG = settings(QUICK, max_examples=1_000)


@QUICK
@given(st.data())
def test_a_dict_selects_what_its_rules_say(documents_store, data):
    agrees(documents_store, data)


@pytest.mark.slow
@LONG
@given(st.data())
def test_a_dict_selects_what_its_rules_say_many_times(documents_store, data):
    agrees(documents_store, data)


TINY = [0, 0.0, 5e-324, -5e-324, 1e-323, 1.5e-323, 1e-320, 1e-310, -1e-310, 2e-308, 1e-300, 1]
RULES = {"$eq": operator.eq, "$ne": operator.ne, **COMPARE}


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
@pytest.mark.parametrize("index", [None, "float"])
def test_the_least_floats_are_told_from_zero_and_from_each_other(client, index):
    chosen = f"mrl_test_{uuid.uuid4().hex[:12]}"
    layout = CollectionLayout(4, (2,), payload_indexes={"metadata.a": index} if index else {})
    store = MatryoshkaVectorStore(client, chosen, OneVector(), layout=layout)
    names = [str(place) for place in range(len(TINY))]
    store.add_texts(names, [{"a": value} for value in TINY], ids=names)
    for wanted in TINY:
        for rule, test in RULES.items():
            found = store.similarity_search("x", k=99, filter={"a": {rule: wanted}})
            expected = {n for n, held in zip(names, TINY, strict=True) if test(held, wanted)}
            assert {each.id for each in found} == expected, (rule, wanted)
    client.delete_collection(chosen)
