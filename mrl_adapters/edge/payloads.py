"""Convert payloads into plain JSON.

What is JSON as it stands (texts, numbers, lists and mappings with texts for keys) goes to the
engine untouched. Everything else is written as QdrantClient sends it to a server: the engine's own
conversion would make a float of a Decimal, and a list of numbers of bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import qdrant_edge as edge
from pydantic_core import to_jsonable_python

from mrl_adapters.edge.limits import check_payload, path_depth
from mrl_adapters.edge.names import is_text
from mrl_adapters.errors import ConfigurationError

_DOUBLE_BYTES = 8


def point_payload(payload: Mapping[str, Any], owner: str) -> Mapping[str, Any]:
    """Return the payload of one of many points: itself where nothing is to be converted."""
    return payload if check_payload(payload, owner) else _converted(payload, owner)


def edge_payload(
    payload: Mapping[str, Any] | None, owner: str, *, key: str | None = None
) -> dict[str, Any]:
    """Return a payload as plain JSON, to be set at the top or under a key."""
    above, given = path_depth(key), payload or {}
    is_plain = check_payload(given, owner, above=above)
    plain = dict(given) if is_plain else _converted(given, owner, above)
    check_texts(plain, owner)
    return plain


def plain_metadata(name: str, metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a collection's metadata as it will be read from its file; None stays so."""
    if metadata is None:
        return None
    return deepcopy(edge_payload(metadata, f"Metadata of collection {name!r}"))


def check_texts(payload: Any, owner: str) -> None:
    """Refuse what the engine cannot hold, although it is plain: half a surrogate pair."""
    try:
        edge.Point(0, {}, payload)
    except (TypeError, ValueError) as error:
        raise _no_form(payload, owner, error) from error


def _converted(payload: Mapping[str, Any], owner: str, above: int = 0) -> dict[str, Any]:
    try:
        plain: dict[str, Any] = to_jsonable_python(payload, fallback=_standard)
    except (TypeError, ValueError) as error:
        raise _no_form(payload, owner, error) from error
    check_payload(plain, owner, above=above)
    return plain


def _standard(value: Any) -> Any:
    """Return what pydantic does not know as what it knows."""
    if isinstance(value, (np.generic, np.ndarray)):
        if value.dtype.kind in "biuf" and value.dtype.itemsize <= _DOUBLE_BYTES:
            return value.tolist()
    elif isinstance(value, memoryview):
        return bytes(value)
    elif isinstance(value, Mapping):
        return dict(value)
    elif isinstance(value, Sequence):
        return list(value)
    message = "not known to JSON"
    raise TypeError(message)


def _no_form(payload: Any, owner: str, error: Exception) -> ConfigurationError:
    reason = next(_reasons(payload, ""), str(error).partition("\n")[0])
    return ConfigurationError(
        f"{owner}: the payload has no JSON form: {reason}. Nothing was written. Leave it out, or "
        "store it as a string that UTF-8 can hold."
    )


def _reasons(value: Any, way: str) -> Iterator[str]:
    """Yield what has no JSON form in a value whose depth has been checked, and the way to it."""
    if isinstance(value, str):
        if not is_text(value):
            yield f"{way} holds half a surrogate pair"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str) and not is_text(key):
                yield f"the key {key!r} in {way or 'it'} holds half a surrogate pair"
            yield from _reasons(inner, f"{way}[{key!r}]")
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        for at, inner in enumerate(value):
            yield from _reasons(inner, f"{way}[{at}]")
    else:
        try:
            to_jsonable_python(value, fallback=_standard)
        except (TypeError, ValueError) as error:
            yield f"{way} is of class {type(value).__name__}: {str(error).partition(chr(10))[0]}"
