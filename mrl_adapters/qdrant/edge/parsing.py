"""Read what QdrantClient takes as a dict as well as a model."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mrl_adapters.errors import ConfigurationError


def parsed(kind: Any, given: Any) -> Any:
    """Read a dict as one of qdrant-client's models, or one of a union of them.

    Args:
        kind: The model's class or union.
        given: The dict, in the form of the REST interface.

    Returns:
        The model.

    Raises:
        ConfigurationError: It does not fit; says where.
    """
    try:
        return _adapter(kind).validate_python(given)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        message = (
            f"{getattr(kind, '__name__', kind)} cannot be read from a dict: {where}: "
            f"{error.errors()[0]['msg']}. Pass the class of qdrant_client.models, or the fields "
            "that the REST interface names."
        )
        raise ConfigurationError(message) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
