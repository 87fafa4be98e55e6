"""``mrl-adapters index``: put files into a collection, and keep it in step with them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mrl_adapters.cli.options import (
    ApiKeyOption,
    JsonOption,
    ModelOption,
    PathOption,
    StagesOption,
    UrlOption,
    parse_sizes,
)
from mrl_adapters.cli.terminal import output, progress_bar

if TYPE_CHECKING:
    from mrl_adapters.cli.indexing import Outcome


def index(  # noqa: PLR0913 - one argument an option
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files (.txt, .md, .jsonl) or folders of them."),
    ],
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Collection to put them into.")
    ],
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    model: ModelOption = None,
    stages: StagesOption = None,
    remove_missing: Annotated[
        bool,
        typer.Option(
            "--remove-missing", help="Delete what came from files below PATH that are gone."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Cut files into passages, embed them and store them; unchanged files are skipped.

    JSON lines: each line a string, or an object with "text" and perhaps "title" and "id".
    """
    sizes = parse_sizes(stages) if stages else None
    # Imported here, so that the other commands need no framework.
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.cli.files import find_files
    from mrl_adapters.cli.indexing import PAYLOAD_INDEXES, FileIndex
    from mrl_adapters.cli.stores import open_or_prepare

    found = find_files(paths)
    with open_client(path, url, api_key) as client:
        store = open_or_prepare(client, collection, model, sizes, PAYLOAD_INDEXES)
        files = FileIndex(store)
        with progress_bar("Indexing files", len(found)) as advance:
            outcome = files.update(found, advance)
        if remove_missing:
            folders = [each.resolve() for each in paths if each.is_dir()]
            outcome.removed = files.remove_missing(folders, found)
    if as_json:
        output.print_json(json.dumps(outcome.as_dict()))
    else:
        output.print(_told(outcome, collection), highlight=False)


def _told(outcome: "Outcome", collection: str) -> str:
    counts = {
        "new": len(outcome.added),
        "changed": len(outcome.changed),
        "unchanged": len(outcome.unchanged),
        "removed": len(outcome.removed),
    }
    files = ", ".join(f"[bold]{count}[/] {what}" for what, count in counts.items() if count)
    return (
        f"[bold]{escape(collection)}[/]: {files or 'no'} files; "
        f"{outcome.passages:,} passages embedded"
    )
