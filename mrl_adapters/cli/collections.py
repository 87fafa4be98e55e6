"""``mrl-adapters list``, ``info`` and ``delete``: what there is, what it is, and away with it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    JsonOption,
    PathOption,
    UrlOption,
)
from mrl_adapters.cli.terminal import output
from mrl_adapters.errors import ConfigurationError

if TYPE_CHECKING:
    from mrl_adapters.maintenance import CollectionOverview

_MB = 1_000_000
_OF_WORDS = ("weights", "rrf_k")  # knobs that mean nothing where vectors search alone


def list_collections(
    *,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the collections, with sizes, stages and models."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.maintenance import list_collections as run

    with open_client(path, url, api_key) as client:
        there = run(client)
    if as_json:
        output.print_json(json.dumps([collection.to_dict() for collection in there]))
    elif not there:
        output.print(Text("No collections.", "dim"))
    else:
        output.print(_listing(there))


def info(
    *,
    collection: CollectionArgument,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a collection is made of, and what its searches are served by."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.maintenance import describe

    with open_client(path, url, api_key) as client:
        found = describe(client, collection)
    if as_json:
        output.print_json(json.dumps(found.to_dict()))
    else:
        _show(found)


def delete(
    *,
    collection: CollectionArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Delete a collection with all its points and its rotation, after asking."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.maintenance import describe
    from mrl_adapters.qdrant import Driver, MatryoshkaCollection

    with open_client(path, url, api_key) as client:
        found = describe(client, collection)
        names = [listed.name for listed in client.get_collections().collections]
        if collection not in names:
            msg = f"{collection!r} is an alias. Name the collection itself: {', '.join(names)}."
            raise ConfigurationError(msg)
        if not yes:
            whose = "" if found.ours else ", which mrl-adapters did not make"
            typer.confirm(f"Delete {collection!r}{whose}: {found.points:,} points?", abort=True)
        Driver(client).run(MatryoshkaCollection(collection).drop())
    output.print(Text(f"{collection}: deleted, {found.points:,} points."))


def _listing(there: "list[CollectionOverview]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Collection", style="cyan", overflow="fold")
    table.add_column("Points", justify="right")
    table.add_column("Full", justify="right")
    table.add_column("Stages")
    table.add_column("Model", overflow="fold")
    for found in there:
        table.add_row(
            found.name,
            f"{found.points:,}",
            str(found.dimensions or "?"),
            ", ".join(map(str, found.stages)) or "none",
            found.model or Text("not said" if found.ours else "not ours", "dim"),
        )
    return table


def _show(found: "CollectionOverview") -> None:
    output.print(Text(f"{found.name}: {found.points:,} points", "bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("made by", "mrl-adapters" if found.ours else "another program")
    table.add_row("model", found.model or "not said")
    if found.dimensions:
        stages = ", ".join(map(str, found.stages)) or "none: searched in one stage"
        table.add_row("full size", f"{found.dimensions}, {found.distance}")
        table.add_row("stages", f"{stages}{', rotated' if found.rotation else ''}")
    if found.plan:
        idle = () if found.plan.get("hybrid") else _OF_WORDS
        knobs = [(knob, value) for knob, value in found.plan.items() if value and knob not in idle]
        changed = ", ".join(f"{knob} {value}" for knob, value in knobs)
        table.add_row("saved plan", changed)
    if found.payload_indexes:
        listed = ", ".join(f"{field} ({kind})" for field, kind in found.payload_indexes.items())
        table.add_row("indexes", listed)
    table.add_row("searches", _served(found))
    output.print(table)
    output.print(_vectors(found))
    for name in found.sparse:
        output.print(Text(f"{name!r}: sparse", "dim"))


def _served(found: "CollectionOverview") -> str:
    """Describe what answers: an engine may call a collection green and scan all of it."""
    if found.indexed is None:
        return "nothing to search yet"
    if not any(vector.graph for vector in found.vectors):
        return f"scanned: no vector has a graph (status {found.status})"
    if found.indexed == 0:
        return f"scanned: no graph is built yet, which few points do not need ({found.status})"
    if found.indexed < 1:
        return f"by graphs for {found.indexed:.0%}, the rest is scanned (status {found.status})"
    return f"by graphs (status {found.status})"


def _vectors(found: "CollectionOverview") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Vector", style="cyan")
    for heading in ("Size", "MB"):
        table.add_column(heading, justify="right")
    for heading in ("Stored as", "Searched by", "Links"):
        table.add_column(heading)
    for vector in found.vectors:
        table.add_row(
            vector.name or "(unnamed)",
            str(vector.size),
            f"{vector.bytes * found.points / _MB:,.1f}",
            f"{vector.datatype}, {'disk' if vector.on_disk else 'memory'}",
            f"{vector.codes} codes" if vector.codes else "itself",
            str(vector.graph) if vector.graph else "none",
        )
    return table
