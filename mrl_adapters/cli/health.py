"""``mrl-adapters audit`` and ``repair``: can every point be found, and if not, mend it."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    FullNameOption,
    JsonOption,
    PathOption,
    UrlOption,
)
from mrl_adapters.cli.terminal import output, progress_bars, tell, wrapped

if TYPE_CHECKING:
    from mrl_adapters.edge import LogRepair
    from mrl_adapters.maintenance import AuditReport, RepairResult


def audit(
    *,
    collection: CollectionArgument,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Read so many points, drawn at random. Default: all of them."),
    ] = None,
    full_name: FullNameOption = None,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that two-stage search finds every point; exit with 1 if it does not."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.qdrant import audit as run
    from mrl_adapters.qdrant.commands import command

    with open_client(path, url, api_key) as client, progress_bars() as progress:
        report = run(client, collection, sample=sample, full_name=full_name, progress=progress)
    if as_json:
        output.print_json(json.dumps(report.to_dict()))
    else:
        _show(report, command("repair", report.collection_name, client=client))
    raise typer.Exit(0 if report.ok else 1)


def repair(
    *,
    collection: CollectionArgument,
    full_name: FullNameOption = None,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Derive again every short vector that is missing or wrong; exit with 1 if it has to go on."""
    from mrl_adapters.cli.engines import open_client
    from mrl_adapters.qdrant import repair as run

    with open_client(path, url, api_key) as client, progress_bars() as progress:
        done = run(client, collection, full_name=full_name, progress=progress)
    if as_json:
        output.print_json(json.dumps(done.to_dict()))
    else:
        _show_repair(done)
    if not done.settled:
        raise typer.Exit(1)


def _show_repair(done: "RepairResult") -> None:
    if done.log and done.log.mended:
        _show_log(done.log)
    told = f"{done.collection_name}: nothing to mend"
    if done.filled or done.corrected or done.sparse_filled:
        told = (
            f"{done.collection_name}: {done.filled:,} points filled, {done.corrected:,} corrected"
        )
    if done.sparse_filled:
        told += f", {done.sparse_filled:,} given their sparse vector"
    if done.unusable:
        told += f"; {done.unusable:,} have no usable full vector"
    output.print(Text(f"{told}."))
    for what in done.left:
        tell("Left", "bold yellow", what, output)
    if not done.settled:
        output.print(Text("Others wrote meanwhile: run it again when they are done.", "yellow"))


def _show_log(log: "LogRepair") -> None:
    rows = [
        (
            log.bounds,
            "operations had NaN or infinity in a filter: they match the same points still",
        ),
        (log.cut, "operations held values nested too deeply: those are empty now"),
        (log.dropped, "operations with filters nested too deeply were taken out, applied before"),
        (len(log.restored), "points had payloads that could not be read: what was logged is back"),
        (len(log.emptied), "points had payloads that could not be read, and are empty now"),
    ]
    for count, what in rows:
        if count:
            output.print(Text(f"{count:,} {what}."))
    for what in log.accepted:
        tell("Taken as it is", "bold yellow", what, output)
    for point_id in log.emptied:
        output.print(Text(f"  {point_id}"))
    if log.backup:
        tell("The log as it was", "bold", log.backup, output)


def _show(report: "AuditReport", mending: str) -> None:
    stages = ", ".join(map(str, report.stages)) or "none"
    output.print(
        Text(f"{report.collection_name}: {report.points:,} points, stages {stages}", "bold")
    )
    read = f"Vectors read: those of all {report.checked:,} points."
    if report.checked < report.points:
        read = (
            f"Vectors read: those of {report.checked:,} of {report.points:,} points, drawn at "
            "random. Missing short vectors were counted in all; the other lines are of the points "
            "read. What holds of the others was not looked at: leave --sample out for that."
        )
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    of_texts = [
        (report.without_sparse, "lack the sparse vector: words cannot find them"),
        (report.without_tokens, "lack token vectors: late interaction leaves them out"),
    ]
    rows = [
        (report.missing, "lack a short vector: two-stage search cannot find them", "red"),
        *((count, what, "red") for count, what in of_texts if count),  # few collections have any
        (report.stale, "have a short vector that is not their full one's", "red"),
        (report.not_finite, "hold NaN or infinity", "red"),
        (report.without_full, "have no full vector", "yellow"),
        (report.zero, "are all zeros", "yellow"),
        (report.padded, "end in many zeros: embedded at a smaller size", "yellow"),
        (report.unreadable, "hold no text that can be read", "yellow"),
    ]
    for count, what, style in rows:
        table.add_row(f"{count:,}", what, style=style if count else "dim")
    output.print(table)
    output.print(Text(wrapped(read), "dim"))
    for problem in report.problems:
        tell("Problem", "bold red", problem, output)
    for better in report.recommendations:
        tell("Recommendation", "bold yellow", f"{better.message} {better.fix}", output)
    # What takes a model, a recommendation tells of.
    if report.missing or report.stale or report.without_sparse:
        tell("Mend it with", "bold", mending, output)
    elif report.ok:
        whole = report.checked >= report.points
        sound = "Two-stage search finds every point." if whole else "Nothing is wrong with those."
        output.print(Text(sound, "bold green"))
