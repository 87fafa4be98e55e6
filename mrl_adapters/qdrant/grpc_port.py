"""Whether gRPC reaches the server that REST does, where only the port of one was named."""

from urllib.parse import urlsplit

from qdrant_client import QdrantClient

from mrl_adapters.errors import ConfigurationError

_REST_PORT, _GRPC_PORT = 6333, 6334  # qdrant-client's own, which belong together


def check_grpc_port(client: QdrantClient) -> None:
    """Check that a client's gRPC half reaches the same server as its REST half.

    qdrant-client dials 6334 whatever port the address names: beside another Qdrant it would read
    and write there. The same server has the same version, commit and collections; two that are
    empty cannot be told apart.

    Args:
        client: A client that prefers gRPC, and was given no ``grpc_port``.

    Raises:
        ConfigurationError: It does not, or that cannot be proved.
    """
    address = urlsplit(client._client.rest_uri)  # type: ignore[attr-defined] # noqa: SLF001 - nothing public tells
    if address.port in {_REST_PORT, None}:
        return
    rest = client.http.service_api.root()
    try:
        reached = client.info()
        names = _names(client.get_collections())
    except Exception as error:
        raise _unproved(address.netloc, "no Qdrant answers there") from error
    listed = client.http.collections_api.get_collections().result
    if (rest.version, rest.commit) != (reached.version, reached.commit):
        raise _unproved(address.netloc, f"Qdrant {reached.version} answers there, another server")
    if names != _names(listed):
        raise _unproved(address.netloc, "a server with other collections answers there")
    if not names:
        raise _unproved(address.netloc, "a server without collections answers there, maybe another")


def _names(answer: object) -> set[str]:
    return {collection.name for collection in getattr(answer, "collections", ())}


def _unproved(place: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"connect() got prefer_grpc=True and an address at {place}, but no grpc_port: gRPC goes to "
        f"port {_GRPC_PORT}, and {why}. Pass the server's own: connect(..., grpc_port=...).",
        found=_GRPC_PORT,
    )
