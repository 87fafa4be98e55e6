"""``mrl-adapters models``: what the registry knows."""

import dataclasses
import json
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mrl_adapters import registry
from mrl_adapters.cli.options import JsonOption
from mrl_adapters.cli.terminal import output
from mrl_adapters.registry import ModelSpec

_RECIPES = {
    "prefix": "keep the first numbers, rescale to unit length",
    "layernorm_prefix": (
        "layer norm over the full vector, keep the first numbers, rescale to unit length"
    ),
    "heads": "made by the model's own heads, one a size: ask the model, never slice",
    "projection": "made by the model's own projection: ask the model, never slice",
    "none": "not trained for it: measure (mrl-adapters curve), or learn a rotation",
}


def models(
    *,
    name: Annotated[
        str | None,
        typer.Argument(help="Show all that is known about this one, under any of its names."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the embedding models that are known: sizes, recipe, prompts, source."""
    if name is not None:
        spec = registry.get(name)
        if as_json:
            _print_json(dataclasses.asdict(spec))
        else:
            output.print(_detail(spec))
        return
    specs = [registry.get(name) for name in registry.names()]
    if as_json:
        _print_json([dataclasses.asdict(spec) for spec in specs])
        return
    output.print(_table(specs))
    output.print(
        "\nfull: dimensions of the whole vector. stage: the first stage that a new collection "
        "gets. All about one of them: [bold]mrl-adapters models NAME[/]",
        highlight=False,
    )


def _table(specs: list[ModelSpec]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("full", justify="right")
    table.add_column("stage", justify="right")
    table.add_column("also good at", overflow="fold")
    for spec in specs:
        stage = str(spec.default_stage) if _sliceable(spec) else "-"
        style = None if spec.is_nested else "dim"
        table.add_row(spec.name, str(spec.dimensions), stage, _sizes(spec), style=style)
    return table


def _detail(spec: ModelSpec) -> Table:
    rows = {
        "model": spec.name,
        "also called": ", ".join(spec.aliases),
        "full size": f"{spec.dimensions} dimensions",
        "unless asked": f"{given} dimensions" if (given := spec.default_dimensions) else "",
        "also good at": _sizes(spec),
        "first stage": f"{spec.default_stage} dimensions by default" if _sliceable(spec) else "",
        "short vectors": _RECIPES[spec.reduction],
        "query prompt": _quoted(spec.query_prompt),
        "document prompt": _quoted(spec.document_prompt),
        "longest input": f"{spec.max_tokens:,} tokens" if spec.max_tokens else "",
        "unit length": _yes_or_no(spec.unit_length),
        "takes dimensions": _yes_or_no(spec.takes_dimensions),
        "note": spec.note,
        "source": spec.source,
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows.items():
        if value:
            table.add_row(label, Text(value))
    return table


def _sizes(spec: ModelSpec) -> str:
    """List the sizes below the full one the model is good."""
    trained = ", ".join(map(str, spec.nested))
    if spec.reduction == "none":
        return "none: not trained for it"
    if not _sliceable(spec):
        return f"{trained} (own {spec.reduction}, never sliced)".removeprefix(" ")
    if spec.any_size:
        reach = f"any from {spec.minimum}" if spec.minimum else "any"
        return f"{reach} ({trained} published)" if trained else reach
    if not trained:
        return f"sizes from {spec.minimum}" if spec.minimum else "sizes not published"
    return trained


def _sliceable(spec: ModelSpec) -> bool:
    return spec.reduction not in {"heads", "projection"}


def _quoted(prompt: str) -> str:
    # As JSON, so that spaces at the end and line breaks can be seen.
    return json.dumps(prompt, ensure_ascii=False) if prompt else ""


def _yes_or_no(fact: bool | None) -> str:  # noqa: FBT001 - a fact, not a switch
    return "" if fact is None else "yes" if fact else "no"


def _print_json(value: object) -> None:
    output.print_json(json.dumps(value, ensure_ascii=False))
