"""``mrl-adapters migrate``: short vectors, codes and text indexes for collections that exist."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import typer
from rich.text import Text

from mrl_adapters.cli.options import (
    ApiKeyOption,
    CollectionArgument,
    FullNameOption,
    JsonOption,
    LanguageOption,
    LateInteractionOption,
    PathOption,
    QuantizationOption,
    SparseOption,
    TextIndexOption,
    UrlOption,
    key,
    parse_sizes,
    parse_words,
    some,
    some_path,
)
from mrl_adapters.cli.rewritten import AGAIN, listed, print_outcome, told_with, tuning_anew
from mrl_adapters.cli.terminal import progress_bars, wrapped

if TYPE_CHECKING:
    from mrl_adapters.maintenance import CopyTarget, MigrationPlan, MigrationResult
    from mrl_adapters.maintenance.checkpoint import Mode
    from mrl_adapters.qdrant import SparseVectors, TextIndex, TokenVectors
    from mrl_adapters.qdrant.driver import Client

# Beyond these an engine spends memory and time for nothing; the embedded one fails.
_MOST_LINKS, _WIDEST_BEAM = 1_024, 65_536
_UNSETTLED_COPY = (
    "No alias was switched and nothing was deleted: the copy did not come to equal its source."
)
_RENAMED = (
    "The unnamed vector is called 'full' in the copy, since this server keeps none beside named "
    "ones: stock stores read it with vector_name='full' (LlamaIndex: dense_vector_name='full')."
)


def migrate(  # noqa: PLR0913 - one argument an option
    *,
    collection: CollectionArgument,
    stages: Annotated[
        str | None,
        typer.Option(
            help="Sizes of the short vectors, such as 64,256; none drops them. "
            "Default: 256, or half of the full size where that is smaller; in a copy, and with "
            "--text-index, --sparse or --late-interaction alone, those that there are.",
            show_default=False,
        ),
    ] = None,
    copy_to: Annotated[
        str | None,
        typer.Option(
            parser=some,
            metavar="NAME",
            help="Write a copy of this name, and leave the collection as it is.",
        ),
    ] = None,
    to_path: Annotated[
        Path | None,
        typer.Option(
            parser=some_path,
            metavar="PATH",
            help="Write the copy to the embedded engine in this folder.",
        ),
    ] = None,
    to_url: Annotated[
        str | None,
        typer.Option(
            parser=some, metavar="TEXT", help="Write the copy to the Qdrant server at this address."
        ),
    ] = None,
    to_api_key: Annotated[
        str | None,
        typer.Option(
            envvar="QDRANT_TARGET_API_KEY", parser=key, metavar="TEXT", help="That server's key."
        ),
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option(
            parser=some, metavar="NAME", help="Alias to switch to the copy once it is verified."
        ),
    ] = None,
    delete_source: Annotated[
        bool,
        typer.Option("--delete-source", help="Delete the collection once the copy is verified."),
    ] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Learn a rotation first: for models that do not nest.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            parser=some, metavar="TEXT", help="The model that wrote it: its recipe is then used."
        ),
    ] = None,
    full_name: FullNameOption = None,
    from_local: Annotated[
        Path | None,
        typer.Option(
            parser=some_path,
            metavar="FOLDER",
            help="Copy it from this folder of qdrant-client's local mode, to --path or --url.",
        ),
    ] = None,
    quantization: QuantizationOption = None,
    full_datatype: Annotated[
        str | None,
        typer.Option(
            parser=some,
            metavar="TYPE",
            help="Store a copy's full vectors as float16, float32, turbo16 or turbo8.",
            show_default=False,
        ),
    ] = None,
    hnsw_m: Annotated[
        int | None,
        typer.Option(min=1, max=_MOST_LINKS, help="Links a node in the searched graphs."),
    ] = None,
    hnsw_ef_construct: Annotated[
        int | None,
        typer.Option(min=4, max=_WIDEST_BEAM, help="Beam while those graphs are built."),
    ] = None,
    text_index: TextIndexOption = False,
    sparse: SparseOption = False,
    language: LanguageOption = None,
    late_interaction: LateInteractionOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")
    ] = False,
    path: PathOption = None,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a collection short vectors, derived from its full ones, or what is made of its texts.

    Nothing is embedded again. Of texts are made what finds words, and token vectors.

    It may be interrupted at any moment: run it again, and it goes on where it stopped. Exit with 1
    if others wrote meanwhile, so that it has to be run again.
    """
    sizes = None if stages is None else parse_sizes(stages)
    index, weights = parse_words(language, text_index=text_index, sparse=sparse)
    settings: dict[str, Any] = {
        "full_datatype": full_datatype,
        "hnsw_m": hnsw_m,
        "hnsw_ef_construct": hnsw_ef_construct,
    }
    if quantization is not None:
        settings["quantization"] = None if quantization == "none" else quantization
    copies = bool(copy_to or to_path or to_url or from_local)
    if from_local and (to_path or to_url or delete_source):
        msg = "--from-local copies to --path or --url, and changes nothing there: leave this out"
        hint = "--delete-source" if delete_source else "--to-path" if to_path else "--to-url"
        raise typer.BadParameter(msg, param_hint=hint)
    if not copies and (alias or delete_source):
        msg = "belongs to a copy: pass --copy-to, --to-path or --to-url with it"
        raise typer.BadParameter(msg, param_hint="--alias" if alias else "--delete-source")
    from mrl_adapters.cli.engines import open_client, open_target
    from mrl_adapters.cli.tokens import token_vectors
    from mrl_adapters.qdrant import CopyTarget, plan_migration
    from mrl_adapters.qdrant import migrate as run
    from mrl_adapters.qdrant.local_folder import reading_copy

    with ExitStack() as opened:
        other = None
        client: Client
        if from_local:
            client = opened.enter_context(reading_copy(from_local, collection))
            other = opened.enter_context(open_target(path, url, api_key, dry_run=dry_run))
        else:
            client = opened.enter_context(open_client(path, url, api_key))
        if to_path or to_url:
            other = opened.enter_context(open_target(to_path, to_url, to_api_key, dry_run=dry_run))
        what = _Options(
            stages=sizes,
            mode="copy" if copies else "in_place",
            target=CopyTarget(copy_to, other, alias, delete_source) if copies else None,
            rotation="auto" if rotate else None,
            model=model,
            full_name=full_name,
            settings=settings,
            text_index=index,
            sparse=weights,
            late_interaction=token_vectors(late_interaction, client, collection),
        )
        settled = True
        if dry_run:
            plan = plan_migration(client, collection, **what)
            plain, told = plan.to_dict(), _planned(plan)
        else:
            with progress_bars() as progress:
                done = run(client, collection, **what, progress=progress)
            plain, told, settled = done.to_dict(), _migrated(done, other or client), done.settled
    print_outcome(plain, told, as_json=as_json)
    if not settled:
        raise typer.Exit(1)


class _Options(TypedDict):
    """What a migration and its plan are both told."""

    stages: tuple[int, ...] | None
    mode: "Mode"
    target: "CopyTarget | None"
    rotation: Literal["auto"] | None
    model: str | None
    full_name: str | None
    text_index: "TextIndex | None"
    sparse: "SparseVectors | None"
    late_interaction: "TokenVectors | None"
    settings: dict[str, Any]


def _planned(plan: "MigrationPlan") -> Text:
    lines = [wrapped(f"{number}. {step}") for number, step in enumerate(plan.steps, 1)]
    resumes = "It goes on where an earlier run stopped. " if plan.resumes else ""
    return Text.assemble(
        (f"{plan.collection_name}: {plan.points:,} points of {plan.dimensions} dimensions", "bold"),
        "\n" + ("\n".join(lines) or "Nothing is left to do.") + "\n",
        wrapped(
            f"{resumes}{plan.points_to_write:,} points to write, {plan.bytes_to_write / 1e6:,.1f} "
            f"MB more; roughly {plan.estimated_s:.0f} s. Nothing was written."
        ),
    )


def _migrated(done: "MigrationResult", client: "Client") -> Text:
    have = f"short vectors ({listed(done.stages)}), {done.written:,} of them from this run"
    told = (
        f"{done.target_name}: {done.points:,} points have "
        f"{have if done.stages else 'full vectors alone'}, in {done.elapsed_s:.1f} s."
    )
    ranking = [f"the texts under {done.text_index!r}"] if done.text_index is not None else []
    ranking += [f"by the sparse vectors {done.sparse!r}"] if done.sparse is not None else []
    added = [f"BM25 ranks {' and '.join(ranking)}: search --hybrid rrf."] if ranking else []
    if (tokens := done.late_interaction) is not None:
        added.append(f"Token vectors {tokens!r} rank what is found: search --late-interaction.")
    if added:
        alone = done.mode == "in_place" and not done.passes and done.stages
        told = " ".join([f"{done.target_name}:" if alone else told, *added])
    if done.corrected:
        told += f" {done.corrected:,} changed meanwhile, and were mended."
    if done.unusable:
        told += f" {done.unusable:,} have no usable full vector, and so no short ones."
    notes = [tuning_anew(done.target_name, client)] if done.dropped_plan else []
    if done.renamed_full:
        notes.append(_RENAMED)
    if not done.settled:
        notes += [_UNSETTLED_COPY, AGAIN] if done.mode == "copy" else [AGAIN]
    return told_with(told, notes)
