"""Ids: which point a caller's id stands for, however it is spelled.

==================================================  ==============================================
The caller's id                                     The point's id
==================================================  ==============================================
A UUID, as an object or in any spelling that        That UUID
Qdrant reads: hyphenated, 32 digits, in braces,
after ``urn:uuid:``, in either case
An integer from 0 to 2**64 - 1, or its decimal      That integer
digits as ``str()`` writes them
Any other string ("doc-1", "007", " 7", "-1")       A UUIDv5 of it
==================================================  ==============================================

So every spelling that Qdrant itself takes is the point that Qdrant takes it for, whoever wrote it.
The caller's own spelling is kept in the payload under :data:`ID_KEY` where the point's id does
not say it. An integer is one id with its digits: 7 and "7", but also -1 and "-1".

The first versions knew canonical UUIDs only, and stored "7", or 32 hex digits, under a UUIDv5 of
the spelling. Such points are looked for as well, and replaced where they are: see
:func:`earlier_ids`. Only adding by a canonical UUID looks for none, since that is how most ids are
spelled: a document that a first version stored under another spelling of a UUID is replaced by
adding it under that spelling.

Source:
    https://qdrant.tech/documentation/concepts/points/#point-ids
    RFC 9562, section 5.5 (UUIDv5)
"""

import hashlib
import numbers
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from qdrant_client import models

from mrl_adapters.arguments import require_list
from mrl_adapters.edge import is_text
from mrl_adapters.errors import ConfigurationError

DocumentId: TypeAlias = str | int | uuid.UUID
PointId: TypeAlias = models.ExtendedPointId

# Where the caller's id is kept when the point's own id does not say it.
ID_KEY = "_mrl_id"
_NAMESPACE = uuid.UUID("6d726c5f-6164-5074-8572-735f69647300").bytes
_HYPHENATED = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CANONICAL_UUID = re.compile(_HYPHENATED)
_UUID = re.compile(
    rf"[0-9a-f]{{32}}|{_HYPHENATED}|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}", re.IGNORECASE
)
_INTEGER = re.compile(r"0|[1-9][0-9]{0,19}")
_LARGEST_INTEGER = 2**64 - 1


def id_text(identifier: object, name: str) -> str:
    """Check a caller's id, and give it as text.

    Returns:
        The string as it is, the integer's digits, or the UUID's canonical form.
    """
    if isinstance(identifier, str):
        text = str.__str__(identifier)  # of a member of a string enumeration: its value
        if not (text.isascii() or is_text(text)):
            msg = f"{name} is {text!r}: half a surrogate pair is no text. Mend that id."
            raise ConfigurationError(msg)
        return text
    if isinstance(identifier, uuid.UUID):
        return str(identifier)
    if isinstance(identifier, numbers.Integral) and not isinstance(identifier, bool):
        return str(int(identifier))
    msg = (
        f"{name} is {identifier!r} ({type(identifier).__name__}), expected a string, an integer or "
        "a UUID."
    )
    raise ConfigurationError(msg)


def id_texts(identifiers: Iterable[object], name: str = "ids") -> list[str]:
    """Check a list of ids, and give them as text."""
    given = require_list(identifiers, name, "ids")
    return [
        # The usual id as it is: making the names of all of them costs more than checking them.
        each if type(each) is str and each.isascii() else id_text(each, f"{name}[{place}]")
        for place, each in enumerate(given)
    ]


def point_id(text: str) -> PointId:
    """Return the id under which a document is stored.

    Returns:
        An integer, or a UUID in canonical form; the same for every spelling of one id.
    """
    if _CANONICAL_UUID.fullmatch(text):
        return text
    if _is_integer(text):
        return int(text)
    if _UUID.fullmatch(text):
        return str(uuid.UUID(text.lower()))
    return derived_id(text)


def earlier_ids(text: str) -> list[PointId]:
    """List the other ids under which the first versions may have stored a document.

    Returns:
        None for most strings. A UUID may have been stored under each of its usual spellings.
    """
    if _is_integer(text):
        return [derived_id(text)]
    if not _UUID.fullmatch(text):
        return []
    canonical = str(point_id(text))
    digits = canonical.replace("-", "")
    spellings = [digits, digits.upper(), canonical.upper(), f"{{{canonical}}}"]
    spellings += [f"urn:uuid:{canonical}", text]
    return [derived_id(each) for each in dict.fromkeys(spellings) if each != canonical]


def spelled_otherwise(text: str) -> bool:
    """Return whether an earlier version would have stored this very spelling elsewhere."""
    return not _CANONICAL_UUID.fullmatch(text) and (
        _is_integer(text) or _UUID.fullmatch(text) is not None
    )


def stored_ids(texts: Iterable[str]) -> list[PointId]:
    """List every point id under which documents may be stored, as they are spelled here.

    Returns:
        Of each its point id; and, where an earlier version stored this spelling elsewhere, those
        ids before it.
    """
    found: list[PointId] = []
    for text in texts:
        if spelled_otherwise(text):
            found += earlier_ids(text)
        found.append(point_id(text))
    return found


def original_id(stored: PointId, payload: Mapping[str, Any] | None) -> str:
    """Return the id that the caller chose."""
    return str((payload or {}).get(ID_KEY, stored))


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and int(text) <= _LARGEST_INTEGER


def derived_id(text: str) -> str:
    """Return the UUIDv5 of a string: what uuid.uuid5 returns, at half of its cost.

    Returns:
        The UUID in canonical form.
    """
    digest = hashlib.sha1(_NAMESPACE + text.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF000 << 64) | (5 << 76)  # version
    number = number & ~(0xC000 << 48) | (0x8000 << 48)  # variant
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
