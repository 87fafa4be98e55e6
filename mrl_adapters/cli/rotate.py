"""``mrl-adapters rotate``: short vectors that models which do not nest are given."""

from typing import Annotated

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    FullNameOption,
    JsonOption,
    PathOption,
    StagesOption,
    UrlOption,
    parse_sizes,
)
from mrl_adapters.cli.rewritten import AGAIN, listed, print_outcome, told_with, tuning_anew
from mrl_adapters.cli.terminal import progress_bars, wrapped

_RESUMED = "An earlier run had begun with stages {}, and was finished. For others, run it again."


def rotate(  # noqa: PLR0913 - one argument an option
    *,
    collection: CollectionArgument,
    stages: StagesOption = None,
    full_name: FullNameOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn a rotation from a collection, and derive its short vectors anew with it.

    It asks before it drops stages that are not named, or a plan that tune had saved. Searches go
    on meanwhile. It may be interrupted at any moment: run it again. Exit with 1 if others wrote
    meanwhile, so that it has to be run again.
    """
    sizes = None if stages is None else parse_sizes(stages)
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.maintenance import describe
    from mrl_adapters.qdrant import rotate

    with open_client(path, url, api_key) as client:
        found = describe(client, collection)
        dropped = [stage for stage in found.stages if sizes is not None and stage not in sizes]
        losses = [f"stages {listed(tuple(dropped))}"] if dropped else []
        losses += ["the plan that tune had saved"] if found.plan else []
        lost = " and ".join(losses)
        if dry_run:
            kept = sizes or found.stages
            plain = {
                "collection_name": found.name,
                "points": found.points,
                "stages": kept,
                "dropped_stages": dropped,
                "dropped_plan": bool(found.plan),
            }
            told = (
                f"{found.name}: {found.points:,} points would get short vectors "
                f"({listed(kept) or 'choose some by --stages'}) by a rotation learnt from them, "
                "in place of those they have. "
                f"Dropped: {lost or 'nothing else'}. Nothing was written."
            )
            print_outcome(plain, Text(wrapped(told)), as_json=as_json)
            return
        if lost and not yes:
            typer.confirm(f"Rotating {collection!r} drops {lost}. Go on?", abort=True, err=True)
        with progress_bars() as progress:
            done = rotate(client, collection, stages=sizes, full_name=full_name, progress=progress)
    told = (
        f"{done.collection_name}: {done.written:,} of {done.points:,} points have new short "
        f"vectors ({listed(done.stages)}), made with rotation {done.rotation}, "
        f"in {done.elapsed_s:.1f} s."
    )
    other = done.resumed and sizes is not None and set(sizes) != set(done.stages)
    notes = [_RESUMED.format(listed(done.stages))] if other else []
    if done.dropped_plan:
        notes.append(tuning_anew(done.collection_name, client))
    if not done.settled:
        notes.append(AGAIN)
    print_outcome(done.to_dict(), told_with(told, notes), as_json=as_json)
    if not done.settled:
        raise typer.Exit(1)
