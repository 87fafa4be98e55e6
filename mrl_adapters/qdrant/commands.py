"""The commands that messages print: complete, so that they run as they stand."""

import shlex
from collections.abc import Sequence
from typing import Literal, TypeAlias

from mrl_adapters.edge import EdgeClient
from mrl_adapters.qdrant.engine import LOCAL, engine_of
from mrl_adapters.qdrant.flow import CLIENT

Verb: TypeAlias = Literal["audit", "migrate", "repair", "rotate", "tune"]


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
        A line for a shell, with the place of the store; for qdrant-client's local mode, which the
        command line does not open, the call that does the same.
    """
    client = CLIENT.get() if client is None else client
    if client is not None and engine_of(client) is LOCAL:
        if verb == "tune":
            collection = f"mrl_adapters.qdrant.MatryoshkaCollection({collection_name!r})"
            opened = f"OpenCollection({collection}, mrl_adapters.qdrant.Driver(client))"
            return f"mrl_adapters.evaluation.tune(mrl_adapters.evaluation.{opened})"
        sizes = f", stages={tuple(stages)}" if stages else ""
        full = f", full_name={full_name!r}" if full_name is not None else ""
        return f"mrl_adapters.qdrant.{verb}(client, {collection_name!r}{sizes}{full})"
    words = ["--stages", ",".join(map(str, stages))] if stages else []
    words += ["--full-name", full_name] if full_name is not None else []
    words += [*options, *_place(client)]
    # A name that would be taken for an option stands last, behind a mark.
    dashed = collection_name.startswith("-")
    words = [*words, "--", collection_name] if dashed else [collection_name, *words]
    return shlex.join(["mrl-adapters", verb, *words])


def usual_stages(dimensions: int) -> tuple[int, ...]:
    """Give the stages that a message proposes."""
    return (min(256, max(1, dimensions // 2)),)


def _place(client: object) -> list[str]:
    if isinstance(client, EdgeClient):
        return ["--path", str(client.path)]
    # The blocking client's and the asynchronous one's have the same.
    address = getattr(getattr(client, "_client", None), "rest_uri", None)
    return [] if address is None else ["--url", str(address)]
