"""What a server says of itself, and what its process says where it runs on this machine."""

from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from qdrant_client import QdrantClient

from mrl_adapters.bench.machine import psutil_module
from mrl_adapters.bench.turns import Reading

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PROCESS = "qdrant"
_USUAL_PORT = 6333
_STARTED_S = 60  # at most so long after its process the server says that it has started
_WITH_COUNTS = "3"  # telemetry's level of details that tells of each collection


class Memory(NamedTuple):
    """What a server says of a collection's memory and files, bytes.

    Args:
        held: In RAM, not to be taken back.
        cached: Pages of its files that are in memory, which the system may take back.
        wanted: ``held``, and all pages that the server wants cached, whether or not they are.
        disk: Its files.
    """

    held: int
    cached: int
    wanted: int
    disk: int


class Figures:
    """Reads what the searches of a bench cost a server.

    Args:
        client: The server's.
        url: Its address: where that is this machine, its process is looked for.
    """

    def __init__(self, client: QdrantClient, url: str) -> None:
        self._client = client
        self.cpu_from: str
        self._process, self.cpu_from = _find_process(self._telemetry(), url)
        self.version: str = client.info().version or "unknown"

    def read(self, collection: str) -> Reading:
        """Read what was spent so far."""
        cpu_s = None
        if self._process is not None:
            times = self._process.cpu_times()
            cpu_s = float(times.user + times.system)
        counts = (self._telemetry() or {}).get("hardware", {}).get("collection_data", {})
        compared = counts.get(collection, {}).get("cpu")
        return Reading(cpu_s, compared)

    def memory(self, collection: str) -> Memory | None:
        """Read what a collection takes; None of a server that does not say."""
        found = self._get("/collections/{name}/memory", name=collection)
        if found is None:
            return None
        total = found["total"]
        held = total["ram_bytes"]
        wanted = held + total["expected_cache_bytes"]
        return Memory(held, total["cached_bytes"], wanted, total["disk_bytes"])

    def _telemetry(self) -> dict[str, Any] | None:
        return self._get("/telemetry", details_level=_WITH_COUNTS)

    def _get(self, path: str, *, name: str = "", **params: str) -> dict[str, Any] | None:
        """Ask by REST what the client has no method for, or reads too strictly."""
        try:
            answer: dict[str, Any] = self._client.http.client.request(
                type_=Any,  # type: ignore[arg-type] # any JSON
                method="GET",
                url=path,
                path_params={"name": name},
                params=params,
            )
            result: dict[str, Any] = answer["result"]
        except Exception:  # noqa: BLE001 - an older server, or a key that may not ask
            return None
        return result


def _find_process(telemetry: dict[str, Any] | None, url: str) -> tuple[Any, str]:
    """Find the server's process on this machine: by its name, its start, then its port.

    Returns:
        It, or None; and a sentence that says how CPU time is measured, or why it is not.
    """
    address = urlsplit(url if "//" in url else f"//{url}")
    if address.hostname not in _LOOPBACK:
        return None, "CPU time: not available, the server is on another machine"
    if telemetry is None or "startup" not in telemetry["app"]:
        return None, "CPU time: not available, the server does not say when it was started"
    started = datetime.fromisoformat(telemetry["app"]["startup"].replace("Z", "+00:00"))
    psutil = psutil_module()
    found = []
    for process in psutil.process_iter(["name", "create_time"]):
        is_named = (process.info["name"] or "").startswith(_PROCESS)
        since_s = started.timestamp() - (process.info["create_time"] or 0.0)
        if is_named and -1 <= since_s < _STARTED_S:  # clocks are rounded
            found.append(process)
    if len(found) > 1:
        found = [each for each in found if _listens(each, address.port or _USUAL_PORT)]
    if len(found) != 1:
        return None, "CPU time: not available, the server's process is not to be seen from here"
    return found[0], "CPU time: of the server's process, user and system, read before and after"


def _listens(process: Any, port: int) -> bool:
    psutil = psutil_module()
    try:
        connections = process.net_connections("tcp")
    except psutil.Error:
        return False
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections
    )
