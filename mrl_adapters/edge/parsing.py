"""Read the models of qdrant-client: given as dicts, and which of their fields hold something."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

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


def set_fields(model: BaseModel) -> dict[str, Any]:
    """Give the fields of a model that hold something, unknown extra ones included.

    Args:
        model: Any model of qdrant-client.

    Returns:
        Field names and values, None left out.
    """
    given = {**model.__dict__, **(model.__pydantic_extra__ or {})}
    return {name: value for name, value in given.items() if value is not None}


def refuse_fields(model: BaseModel, names: Iterable[str]) -> None:
    """Refuse fields that nobody here knows how to convert.

    Args:
        model: The model they were found on.
        names: Their names; none is fine.

    Raises:
        NotImplementedError: There are some.
    """
    if unknown := sorted(names):
        message = (
            f"The embedded engine has no {type(model).__name__}.{unknown[0]}. "
            "Leave it out, or connect to a Qdrant server."
        )
        raise NotImplementedError(message)


def refuse_unknown(arguments: Mapping[str, Any]) -> None:
    """Refuse keyword arguments that a method does not have, as QdrantClient does.

    Args:
        arguments: What came under names that the method does not know.

    Raises:
        TypeError: There are some: a misspelt filter must not be a search without one.
    """
    if arguments:
        message = (
            f"Unknown arguments: {sorted(arguments)}. EdgeClient's methods take those of "
            "QdrantClient; help(EdgeClient) lists them."
        )
        raise TypeError(message)


def refuse_shard_key(given: Any) -> None:
    """Refuse a shard key: to leave it out would read and write points that it keeps apart.

    Raises:
        NotImplementedError: There is one.
    """
    if given is not None:
        message = (
            f"The embedded engine is one shard and has no shard keys: found {given!r}. Leave it "
            "out and keep tenants apart by a payload field, or connect to a Qdrant server."
        )
        raise NotImplementedError(message)
