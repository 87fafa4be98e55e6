"""The commands that messages print: complete, so that they run as they stand."""

import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mrl_adapters.edge import EdgeClient
from mrl_adapters.qdrant.engine import LOCAL, engine_of
from mrl_adapters.qdrant.flow import CLIENT

Verb: TypeAlias = Literal["audit", "migrate", "recommend", "repair", "rotate", "tune"]

_ARGUMENTS = {
    "--target-overlap": "target_overlap",
    "--memory": "memory_bytes",
    "--points": "points",
    "--confidence": "confidence",
    "-k": "k",
}
# Options of a migration that calls have, too.
_WORDS = {"--sparse": "sparse=mrl_adapters.qdrant.SparseVectors()"}


def command(
    verb: Verb,
    collection_name: str,
    *options: str,
    stages: Sequence[int] = (),
    full_name: str | None = None,
    client: object = None,
) -> str:
    """Write the command that helps with a collection.

    Args:
        verb: The command.
        collection_name: The collection.
        options: Further options of the command.
        stages: Sizes of its short vectors, for commands that take them.
        full_name: Which vector is the full one, where several could be meant.
        client: Where the collection is; None takes the client that the running flow speaks to.

    Returns:
        A line for a shell, with the place of the store. The command line does not open
        qdrant-client's local mode: there it is the call that does the same, and for a migration of
        one of its folders the line that copies the collection to the embedded engine.
    """
    client = CLIENT.get() if client is None else client
    if client is not None and engine_of(client) is LOCAL:
        words = [_WORDS[option] for option in options if option in _WORDS]
        if verb == "migrate" and not words and (folder := _folder(client)) is not None:
            return moving_command(collection_name, folder, stages=stages, full_name=full_name)
        if verb in {"tune", "recommend"}:
            collection = f"mrl_adapters.qdrant.MatryoshkaCollection({collection_name!r})"
            opened = f"OpenCollection({collection}, mrl_adapters.qdrant.Driver(client))"
            asked = [each for each in pairwise(options) if each[0] in _ARGUMENTS]
            more = "".join(f", {_ARGUMENTS[option]}={value}" for option, value in asked)
            return f"mrl_adapters.evaluation.{verb}(mrl_adapters.evaluation.{opened}{more})"
        sizes = f", stages={tuple(stages)}" if stages else ""
        full = f", full_name={full_name!r}" if full_name is not None else ""
        given = "".join(f", {each}" for each in words)
        return f"mrl_adapters.qdrant.{verb}(client, {collection_name!r}{sizes}{full}{given})"
    return _line(verb, collection_name, [*options, *_place(client)], stages, full_name)


def filling_call(collection_name: str, field: str, spelled: str) -> str:
    """Write the call that gives points vectors of their texts, which takes a model.

    Args:
        collection_name: The collection.
        field: The argument of ``migrate``.
        spelled: Its value.
    """
    call = f"client, {collection_name!r}, {field}=mrl_adapters.qdrant.{spelled}"
    return f"mrl_adapters.qdrant.migrate({call})"


def moving_command(
    collection_name: str,
    folder: Path,
    *,
    stages: Sequence[int] = (),
    full_name: str | None = None,
) -> str:
    """Write the command that copies a collection of qdrant-client's local mode.

    It goes to the embedded engine, in a folder beside.

    Args:
        collection_name: The collection.
        folder: The local mode's folder.
        stages: Sizes of the copy's short vectors.
        full_name: Which vector is the full one, where several could be meant.
    """
    place = ["--from-local", str(folder), "--path", f"{folder}_two_stage"]
    return _line("migrate", collection_name, place, stages, full_name)


def _line(
    verb: Verb,
    collection_name: str,
    options: Sequence[str],
    stages: Sequence[int],
    full_name: str | None,
) -> str:
    words = ["--stages", ",".join(map(str, stages))] if stages else []
    words += ["--full-name", full_name] if full_name is not None else []
    words += options
    # A name that would be taken for an option stands last, behind a mark.
    dashed = collection_name.startswith("-")
    words = [*words, "--", collection_name] if dashed else [collection_name, *words]
    return shlex.join(["mrl-adapters", verb, *words])


def usual_stages(dimensions: int) -> tuple[int, ...]:
    """Return the stages that nobody chose: 256, or half of the full size where that is smaller."""
    return (min(256, max(1, dimensions // 2)),)


def _folder(client: object) -> Path | None:
    """Return the folder of a client in local mode; None if its collections are in memory."""
    local: Any = getattr(client, "_client", None)
    return Path(local.location).absolute() if getattr(local, "persistent", False) else None


def place_of(client: object) -> str | None:
    """Return the folder or the address of a client's store; None of qdrant-client's local mode."""
    if isinstance(client, EdgeClient):
        return str(client.path)
    # The blocking client's and the asynchronous one's have the same.
    address = getattr(getattr(client, "_client", None), "rest_uri", None)
    return None if address is None else str(address)


def _place(client: object) -> list[str]:
    place = place_of(client)
    if place is None:
        return []
    return ["--path" if isinstance(client, EdgeClient) else "--url", place]
