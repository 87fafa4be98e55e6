"""The same flows over every engine, and a stand-in for a server's REST side."""

import asyncio
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import jsonschema
import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models
from real_server import server_client

from mrl_adapters.errors import EngineError
from mrl_adapters.qdrant import Driver, EdgeClient
from mrl_adapters.qdrant.driver import Client
from mrl_adapters.qdrant.flow import Flow

ENGINES = [
    pytest.param("edge", id="edge"),
    pytest.param("local", id="local"),
    pytest.param("rest", id="rest"),
    pytest.param("server", id="server", marks=pytest.mark.server),
]


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """A client of each engine; those made on a server are in a namespace."""
    if request.param == "edge":
        with EdgeClient(str(tmp_path / "vectors")) as embedded:
            yield embedded
        return
    if request.param == "local":
        local = QdrantClient(":memory:")
        yield local
        local.close()
        return
    if request.param == "rest":
        transport = request.getfixturevalue("gateway")
        remote = QdrantClient(url="http://gateway", transport=transport, check_compatibility=False)
        yield remote
        remote.close()
        return
    with server_client() as server:
        yield server


@pytest.fixture
def driver(client: Client) -> Driver:
    return Driver(client)


@pytest.fixture
def name() -> str:
    """A collection's name that no other test uses, also on a shared server."""
    return f"mrl_test_{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["sync", "async"])
def drive(request: pytest.FixtureRequest, driver: Driver) -> Callable[[Flow[Any]], Any]:
    """Run a flow in either colour."""
    if request.param == "sync":
        return driver.run
    return lambda flow: asyncio.run(driver.arun(flow))


@pytest.fixture
def documents() -> Callable[..., np.ndarray]:
    """Make vectors whose energy falls along the dimensions, as nested models' does."""

    def make(count: int, dimensions: int = 32, *, seed: int = 0, clusters: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        decay = 1 / np.sqrt(1 + np.arange(dimensions))
        made = rng.normal(size=(count, dimensions)) * decay
        if clusters:
            # The centres are the same for every seed: queries fall among the documents.
            centres = np.random.default_rng(99).normal(size=(clusters, dimensions)) * decay
            made = 0.5 * made + centres[rng.integers(0, clusters, count)]
        return made.astype(np.float32)

    return make


class Contract:
    """Qdrant's published description of its REST side, to check traffic against."""

    def __init__(self, published: dict[str, Any]) -> None:
        self._paths = {
            re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)): operations
            for path, operations in published["paths"].items()
        }
        self._components = json_schema(published["components"])

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """Find the description of one call."""
        for pattern, operations in self._paths.items():
            if pattern.fullmatch(path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        msg = f"{method} {path} is not in the published description"
        raise AssertionError(msg)

    def check(self, schema: dict[str, Any], value: object) -> None:
        """Raise if a value is not of a schema."""
        whole = {**json_schema(schema), "components": self._components}
        # Not jsonschema.validate, which would check the whole description as well each time.
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            raise error

    def check_request(self, request: httpx.Request) -> None:
        """Raise if a request has a path, parameter or body that the description does not have."""
        operation = self.operation(request.method, raw_path(request))
        parameters = {
            each["name"]: each["schema"]
            for each in operation.get("parameters", [])
            if each["in"] == "query"
        }
        for key, text in request.url.params.items():
            self.check(parameters[key], parameter_value(text))
        content = operation.get("requestBody", {}).get("content", {})
        if request.content:
            assert request.headers["content-type"] == "application/json"
            body = json.loads(request.content, parse_constant=refuse_constant)
            self.check(content["application/json"]["schema"], body)
        else:
            assert not operation.get("requestBody", {}).get("required", bool(content))

    def check_answer(self, request: httpx.Request, answer: object) -> None:
        """Raise if the stand-in's own answer is not what a server would say."""
        operation = self.operation(request.method, raw_path(request))
        content = operation["responses"]["200"]["content"]
        self.check(content["application/json"]["schema"], answer)


def raw_path(request: httpx.Request) -> str:
    """The path as it goes over the wire, escapes included."""
    return request.url.raw_path.decode().split("?")[0]


def refuse_constant(text: str) -> None:
    """NaN and Infinity are Python's own; JSON has none."""
    msg = f"{text} is not JSON"
    raise AssertionError(msg)


def parameter_value(text: str) -> object:
    """Read a query parameter as what its schema speaks of."""
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.isdecimal() else text


def json_schema(part: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON Schema, and refuse fields that are not described.

    OpenAPI says ``nullable``, in a union as a member of its own; and where it describes an
    object's fields without a word on others, a server ignores them: for us they are mistakes.
    """
    if isinstance(part, list):
        return [json_schema(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {
        key: json_schema(value)
        for key, value in part.items()
        if key not in {"nullable", "description", "example", "default", "format"}
        or isinstance(value, dict)
    }
    if part.get("properties") and part.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if part.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]} if made else {"type": "null"}
    return made


def published_path() -> Path:
    """Where the description lies: beside the checkout unless the environment says otherwise."""
    beside_checkout = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("MRL_ADAPTERS_DATA", beside_checkout)) / "qdrant-openapi.json"


@pytest.fixture(scope="session")
def contract() -> Contract:
    """Qdrant's published OpenAPI description."""
    path = published_path()
    if not path.exists():
        pytest.skip(f"needs Qdrant's OpenAPI description at {path}: set MRL_ADAPTERS_DATA")
    return Contract(json.loads(path.read_text(encoding="utf-8")))


class Recorder(httpx.MockTransport):
    """An HTTP transport that keeps what it is sent, and checks it where the contract is at hand."""

    def __init__(self, contract: Contract | None) -> None:
        super().__init__(self._answer)
        self.requests: list[httpx.Request] = []
        self._contract = contract

    def bodies(self, method: str, suffix: str) -> list[dict[str, Any]]:
        """The JSON of every request of a kind."""
        return [
            json.loads(each.content)
            for each in self.requests
            if each.method == method and each.url.path.endswith(suffix)
        ]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._contract:
            self._contract.check_request(request)
        try:
            result = self._result(request)
        except (ValueError, KeyError, NotImplementedError, EngineError) as error:
            return httpx.Response(400, json={"status": {"error": str(error)}, "time": 0.001})
        answer = {"result": result, "status": "ok", "time": 0.001}
        if self._contract:
            self._contract.check_answer(request, answer)
        return httpx.Response(200, json=answer)

    def _result(self, request: httpx.Request) -> Any:
        raise NotImplementedError


class StandIn(Recorder):
    """A server's REST side without a server: keeps one collection's description, finds nothing."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(contract)
        self.created: dict[str, Any] | None = None
        self.lacking = 0
        self.shard_keys: list[Any] = []

    def _result(self, request: httpx.Request) -> Any:
        resource = "/".join(raw_path(request).split("/")[3:])
        written = {"operation_id": 1, "status": "completed"}
        call = f"{request.method} {resource}"
        if call == "PUT ":
            self.created = json.loads(request.content)
            return True
        answers: dict[str, Callable[[], Any]] = {
            "GET exists": lambda: {"exists": self.created is not None},
            "GET ": self._description,
            "GET shards": lambda: {"shard_keys": [{"key": key} for key in self.shard_keys]},
            "PUT shards": lambda: self._make_shard(json.loads(request.content)["shard_key"]),
            "PUT index": lambda: written,
            "PUT points": lambda: written,
            "POST points/delete": lambda: written,
            "POST points": list,
            "POST points/count": lambda: {"count": self.lacking},
            "POST points/scroll": lambda: {"points": [], "next_page_offset": None},
            "POST points/query": lambda: {"points": []},
            "POST points/query/batch": lambda: [
                {"points": []} for _ in json.loads(request.content)["searches"]
            ],
        }
        return answers[call]()

    def _make_shard(self, key: Any) -> bool:
        self.shard_keys.append(key)
        return True

    def _description(self) -> dict[str, Any]:
        assert self.created is not None
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": {},
            "config": {
                "params": {
                    "vectors": self.created["vectors"],
                    "shard_number": self.created.get("shard_number", 1),
                    "sharding_method": self.created.get("sharding_method"),
                    "replication_factor": self.created.get("replication_factor", 1),
                    "write_consistency_factor": self.created.get("write_consistency_factor", 1),
                },
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
                "metadata": self.created.get("metadata"),
            },
        }


@pytest.fixture
def stand_in(contract: Contract) -> StandIn:
    return StandIn(contract)


@pytest.fixture(params=["sync", "async"])
def over_rest(
    request: pytest.FixtureRequest, stand_in: StandIn
) -> Iterator[Callable[[Flow[Any]], Any]]:
    """Run a flow on a real client whose requests end at the stand-in, in either colour."""
    server = QdrantClient(url="http://stand-in:6333", transport=stand_in, check_compatibility=False)
    driver = Driver(server)
    if request.param == "sync":
        yield driver.run
    else:
        # The driver's own twin: what coroutines get from a blocking client.
        yield lambda flow: asyncio.run(driver.arun(flow))
    server.close()


class Gateway(Recorder):
    """A server's REST side over the embedded engine: what a server would be sent is carried out.

    It shows that what the clients write as JSON arrives whole, in both colours; it cannot show
    what only a server does (shards, replicas, strict mode). Aliases are its own.
    """

    def __init__(self, engine: EdgeClient, contract: Contract | None) -> None:
        super().__init__(contract)
        self._engine = engine
        self._aliases: dict[str, str] = {}
        self.version = "1.19.0"
        self.rewriting = False
        """Whether it answers as a server does that rewrites its segments: filters on vectors match
        former versions of points, from before they had any vector but ``full``."""

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/":
            return httpx.Response(200, json={"title": "qdrant", "version": self.version})
        return super()._answer(request)

    def _result(self, request: httpx.Request) -> Any:
        body = json.loads(request.content) if request.content else {}
        if raw_path(request) == "/aliases":
            return {
                "aliases": [
                    {"alias_name": alias, "collection_name": name}
                    for alias, name in self._aliases.items()
                ]
            }
        if raw_path(request) == "/collections/aliases":
            return self._change_aliases(parsed(models.ChangeAliasesOperation, body)["actions"])
        _, _, name, *resource = map(unquote, raw_path(request).split("/") + [""] * 2)
        name = self._aliases.get(name, name)
        answer = self._carry_out(request.method, name, [each for each in resource if each], body)
        return jsonable(answer)

    def _change_aliases(self, actions: list[models.AliasOperations]) -> bool:
        for action in actions:
            if isinstance(action, models.DeleteAliasOperation):
                del self._aliases[action.delete_alias.alias_name]
            elif isinstance(action, models.CreateAliasOperation):
                created = action.create_alias
                self._aliases[created.alias_name] = created.collection_name
        return True

    def _carry_out(  # noqa: C901, PLR0911 - a table of calls
        self, method: str, name: str, resource: list[str], body: Any
    ) -> Any:
        engine = self._engine
        match method, resource:
            case "GET", [] if not name:
                return engine.get_collections()
            case "GET", ["exists"]:
                return {"exists": engine.collection_exists(name)}
            case "GET", []:
                return engine.get_collection(name)
            case "PUT", []:
                wanted = parsed(models.CreateCollection, body)
                return engine.create_collection(
                    name,
                    wanted.pop("vectors"),
                    sparse_vectors_config=wanted.pop("sparse_vectors", None),
                    **wanted,
                )
            case "PATCH", []:
                wanted = parsed(models.UpdateCollection, body)
                return engine.update_collection(
                    name, vectors_config=wanted.pop("vectors", None), **wanted
                )
            case "DELETE", []:
                return engine.delete_collection(name)
            case "PUT", ["index"]:
                return engine.create_payload_index(name, **parsed(models.CreateFieldIndex, body))
            case "DELETE", ["index", field]:
                return engine.delete_payload_index(name, field)
            case "PUT", ["vectors", vector]:
                config = TypeAdapter(models.VectorNameConfig).validate_python(body)
                return engine.create_vector_name(name, vector, config)
            case "DELETE", ["vectors", vector]:
                return engine.delete_vector_name(name, vector)
        return self._points(method, name, resource, body)

    def _scroll(self, name: str, body: Any) -> Any:
        wanted = parsed(models.ScrollRequest, body)
        former = self._matches_former(body)
        query_filter = wanted.pop("filter", None)
        records, after = self._engine.scroll(
            name,
            scroll_filter=None if former else query_filter,
            with_vectors=wanted.pop("with_vector"),
            **wanted,
        )
        for record in records if former else ():
            if isinstance(record.vector, dict):
                kept = record.vector.items()
                record.vector = {key: at for key, at in kept if key in {"", "full"}}
        return {"points": jsonable(records), "next_page_offset": after}

    def _matches_former(self, body: Any) -> bool:
        return self.rewriting and "has_vector" in json.dumps(body)

    def _points(  # noqa: C901, PLR0911 - a table of calls
        self, method: str, name: str, resource: list[str], body: Any
    ) -> Any:
        engine = self._engine
        match method, resource:
            case "PUT", ["points"]:
                return engine.upsert(name, **parsed(models.PointsList, body))
            case "POST", ["points"]:
                wanted = parsed(models.PointRequest, body)
                return engine.retrieve(
                    name, wanted.pop("ids"), with_vectors=wanted.pop("with_vector"), **wanted
                )
            case "POST", ["points", "delete"]:
                selector = TypeAdapter(models.PointsSelector).validate_python(body)
                return engine.delete(name, selector)
            case "POST", ["points", "payload"]:
                wanted = parsed(models.SetPayload, body)
                chosen = wanted.get("points") or models.FilterSelector(filter=wanted["filter"])
                return engine.set_payload(name, wanted["payload"], chosen)
            case "PUT", ["points", "vectors"]:
                return engine.update_vectors(name, **parsed(models.UpdateVectors, body))
            case "POST", ["points", "vectors", "delete"]:
                wanted = parsed(models.DeleteVectors, body)
                chosen = models.PointIdsList(points=wanted["points"])
                return engine.delete_vectors(name, wanted["vector"], chosen)
            case "POST", ["points", "count"]:
                wanted = parsed(models.CountRequest, body)
                former = self._matches_former(body)
                return engine.count(name, count_filter=None if former else wanted.get("filter"))
            case "POST", ["points", "scroll"]:
                return self._scroll(name, body)
            case "POST", ["points", "query"]:
                return engine.query_batch_points(name, [models.QueryRequest(**body)])[0]
            case "POST", ["points", "query", "batch"]:
                searches = parsed(models.QueryRequestBatch, body)["searches"]
                return engine.query_batch_points(name, searches)
        msg = f"the gateway has no {method} {resource}"
        raise NotImplementedError(msg)


def parsed(model: type[BaseModel], body: Any) -> dict[str, Any]:
    """Read a body by Qdrant's own model; only what was sent, as objects."""
    made = model.model_validate(body)
    return {key: getattr(made, key) for key in made.model_fields_set}


def jsonable(answer: Any) -> Any:
    """Write an answer as a server does: without what is not there."""
    if isinstance(answer, list):
        return [jsonable(each) for each in answer]
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", exclude_none=True)
    return answer


@pytest.fixture
def gateway(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """The embedded engine behind a server's REST side."""
    checked = request.getfixturevalue("contract") if published_path().exists() else None
    with EdgeClient(str(tmp_path / "behind-rest")) as engine:
        yield Gateway(engine, checked)
