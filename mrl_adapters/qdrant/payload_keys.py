"""Under which payload keys a collection keeps texts and metadata.

They are settings, stored with the collection by whoever makes it. Of a collection that says nothing
(another program's, an earlier version's) they are found out from a few of its points, where these
leave no doubt: :func:`found_out`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qdrant_client import models

from mrl_adapters.edge import is_text
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.description import stored_metadata
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.ids import ID_KEY
from mrl_adapters.qdrant.layout import METADATA_KEY
from mrl_adapters.qdrant.strict_mode import limits_of

KEYS_KEY = "payload_keys"
"""Where a collection's metadata say it, beside its stages."""
NODE_KEY = "_node_content"
"""Where LlamaIndex keeps a whole node, as JSON."""
APART_KEY = "_mrl_metadata"
"""Where LlamaIndex metadata are kept that have the name of something which stores keep."""
STORES_OWN = frozenset(
    {NODE_KEY, "_node_type", "document_id", "doc_id", "ref_doc_id", ID_KEY, APART_KEY}
)
"""What stores of either framework keep beside texts and metadata, this package's included."""

# The last two are langchain-qdrant's, whose programs read them.
_RESERVED = STORES_OWN | {"_id", "_collection_name"}

# Where programs keep a passage's text, the likeliest first.
TEXT_KEYS = ("page_content", "text", "content", "document", "chunk", "passage", "body")
METADATA_KEYS = ("metadata", "meta")
_NODES_TEXT_KEY = "text"  # where LlamaIndex's store looks beside the node
_SAMPLED_POINTS = 10


def checked_added_key(option: str, key: object) -> str | None:
    """Return the metadata key under which results get something of a search; None adds nothing.

    Args:
        option: The option, such as ``score_key``: its name without ``_key`` would be usual.
        key: The key.

    Raises:
        ConfigurationError: It is no text, or a name that stores keep for themselves.
    """
    if key is None or (isinstance(key, str) and key and key not in _RESERVED):
        return key
    expected = f"a name such as {option.removesuffix('_key')!r}, or None"
    why = ", where stores keep something of their own" if isinstance(key, str) and key else ""
    msg = f"{option} is {key!r}{why}, expected {expected}."
    raise ConfigurationError(msg, found=key, expected=expected)


@dataclass(frozen=True)
class PayloadKeys:
    """Where a payload keeps the text and the metadata.

    Args:
        content: Key of the text.
        metadata: Key of the metadata; None where they stand beside the text, as other programs
            have it.

    Raises:
        ConfigurationError: They are the same, or one is no name that a payload can have.
    """

    content: str = "page_content"
    metadata: str | None = "metadata"

    def __post_init__(self) -> None:
        """Refuse what no payload can be written by."""
        _check("texts", self.content)
        if self.metadata is not None:
            _check("metadata", self.metadata)
        if self.content == self.metadata:
            msg = (
                f"The payload keys of texts and of metadata are both {self.content!r}, so that one "
                "would overwrite the other. Choose two names."
            )
            raise ConfigurationError(msg, found=self.content)

    def payload(self, text: str, metadata: Mapping[Any, Any], owner: str) -> dict[str, Any]:
        """Build what is stored of a document, its values as they are."""
        if self.metadata is not None:
            return {self.content: text, self.metadata: metadata}
        if taken := sorted({*STORES_OWN, self.content}.intersection(map(str, metadata))):
            msg = (
                f"{owner}: metadata {taken[0]!r} would stand where the collection, which keeps "
                "metadata beside the text, has something else. Choose another name."
            )
            raise ConfigurationError(msg, found=taken[0])
        return {**metadata, self.content: text}

    def described(self) -> dict[str, str | None]:
        """Return what is stored with the collection."""
        return asdict(self)


@dataclass(frozen=True)
class AskedKeys:
    """What a caller says of a collection's keys.

    Args:
        content: Key of the text; None takes the collection's.
        metadata: Key of the metadata; None takes the collection's.
        kept: Whether the caller writes by them, so that the collection is to know them.

    Raises:
        ConfigurationError: As for :class:`PayloadKeys`.
    """

    content: str | None = None
    metadata: str | None = None
    kept: bool = False

    def __post_init__(self) -> None:
        """Refuse what could be no collection's."""
        for whose, key in (("texts", self.content), ("metadata", self.metadata)):
            if key is not None:
                _check(whose, key)
        if self.content is not None and self.metadata is not None:
            self.completed()

    def completed(self) -> PayloadKeys:
        """Take the usual ones where nothing is said."""
        return PayloadKeys(
            self.content or PayloadKeys.content, self.metadata or PayloadKeys.metadata
        )


def stored_keys(info: models.CollectionInfo) -> PayloadKeys | None:
    """Read what a collection says of its keys; None if nothing."""
    stored = stored_metadata(info).get(KEYS_KEY)
    return PayloadKeys(stored["content"], stored["metadata"]) if stored else None


def with_keys(described: dict[str, Any], keys: PayloadKeys | None) -> dict[str, Any]:
    """Add keys to a collection's description, as it is stored.

    Args:
        described: The layout's metadata.
        keys: The keys; None adds nothing.
    """
    if keys is None:
        return described
    return {**described, METADATA_KEY: {**described[METADATA_KEY], KEYS_KEY: keys.described()}}


@dataclass(frozen=True)
class Found:
    """What a few points of a collection tell of how the others are written.

    Args:
        keys: Where texts and metadata stand.
        has_nodes: Whether some are LlamaIndex's nodes, whose metadata stand in the payload itself.
        has_documents: Whether some are documents as LangChain's stores write them, or the
            collection says where these keep their metadata.
    """

    keys: PayloadKeys
    has_nodes: bool = False
    has_documents: bool = False


def find_keys(name: str, asked: AskedKeys, stored: PayloadKeys | None) -> Flow[Found]:
    """Find out from a few points what a collection does not say; the usual keys where in doubt."""
    size = (yield from limits_of(name)).page(_SAMPLED_POINTS)
    records, _ = yield from ask(
        lambda c: c.scroll(name, limit=size, with_payload=True, with_vectors=False)
    )
    payloads = [record.payload or {} for record in records]
    nodes = [payload for payload in payloads if NODE_KEY in payload]
    keys = stored or found_out(payloads, asked)
    return Found(keys, bool(nodes), stored is not None or len(nodes) < len(payloads))


def found_out(payloads: Iterable[Mapping[str, Any]], asked: AskedKeys) -> PayloadKeys:
    """Find out from payloads under which keys texts and metadata stand.

    The text: under "page_content", or under the only one of the names that programs use
    (:data:`TEXT_KEYS`); or in payloads of one text and one object, under whatever name.
    The metadata: under "metadata" or "meta" where these are objects, or under the only other key
    where that holds objects; else beside the text, where there is anything. Among LlamaIndex's
    nodes alone both stand where its own store keeps and reads them.
    """
    payloads = list(payloads)
    if payloads and all(NODE_KEY in payload for payload in payloads):
        content = asked.content or _NODES_TEXT_KEY
        return PayloadKeys(content, asked.metadata)
    others = [
        {key: value for key, value in payload.items() if key and key not in STORES_OWN}
        for payload in payloads
        if NODE_KEY not in payload
    ]
    content = asked.content or _content_key(others)
    holding = [payload for payload in others if isinstance(payload.get(content), str)]
    if asked.metadata is not None or not holding:
        return AskedKeys(content, asked.metadata).completed()
    return PayloadKeys(content, _metadata_key(holding, content))


def _content_key(payloads: Sequence[Mapping[str, Any]]) -> str:
    usual = PayloadKeys.content
    named = [key for key in TEXT_KEYS if any(isinstance(each.get(key), str) for each in payloads)]
    if named:
        return named[0] if len(named) == 1 else usual
    shapes = {tuple(sorted(map(_kind_and_key, each.items()))) for each in payloads}
    shape = next(iter(shapes)) if len(shapes) == 1 else ()
    return shape[1][1] if [kind for kind, _ in shape] == ["object", "text"] else usual


def _kind_and_key(item: tuple[str, object]) -> tuple[str, str]:
    key, value = item
    return "text" if isinstance(value, str) else "object" if _is_object(value) else "value", key


def _metadata_key(payloads: Sequence[Mapping[str, Any]], content: str) -> str | None:
    beside = [{key: each[key] for key in each if key != content} for each in payloads]
    for key in METADATA_KEYS:
        found = [each[key] for each in beside if key in each]
        if found and all(map(_is_object, found)):
            return key
    names = {key for each in beside for key in each}
    if len(names) == 1 and all(_is_object(value) for each in beside for value in each.values()):
        return names.pop()
    alone = all(value is None for each in beside for value in each.values())
    return PayloadKeys.metadata if alone else None


def _is_object(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _check(whose: str, key: object) -> None:
    expected = "a name such as 'page_content' or 'metadata'"
    if not isinstance(key, str) or not key:
        msg = f"The payload key of {whose} is {key!r}, expected {expected}."
        raise ConfigurationError(msg, found=key, expected=expected)
    if key in STORES_OWN:
        msg = (
            f"The payload key of {whose} is {key!r}, where stores keep something of their own, "
            f"expected {expected}. Choose another."
        )
        raise ConfigurationError(msg, found=key, expected=expected)
    if not is_text(key):
        msg = f"The payload key of {whose} is {key!r}, which holds half of a character."
        raise ConfigurationError(msg, found=key)
