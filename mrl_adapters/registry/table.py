"""The registry as a table, for the command line and the documentation."""

from mrl_adapters.registry.lookup import get, names
from mrl_adapters.registry.spec import ModelSpec

COLUMNS = ("model", "dimensions", "nested", "max tokens", "reduction", "prompts", "first stage")
_REDUCTIONS = {
    "prefix": "slice",
    "layernorm_prefix": "layer norm, slice",
    "heads": "own heads: never slice",
    "projection": "own projection: never slice",
    "none": "not trained to nest",
}


def table() -> list[dict[str, str]]:
    """Return one row a model, in the order of registration: column name to text."""
    return [_row(get(name)) for name in names()]


def markdown() -> str:
    """Return the table in Markdown, model names linked to their sources."""
    lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
    for row in table():
        source = get(row["model"]).source
        address = _address(source)
        cells = {**row, "model": f"[{row['model']}]({address})" if address else row["model"]}
        lines.append(" | ".join(cells[column] for column in COLUMNS))
    return "".join(f"| {line} |\n" for line in lines)


def _row(spec: ModelSpec) -> dict[str, str]:
    return {
        "model": spec.name,
        "dimensions": str(spec.dimensions),
        "nested": _sizes(spec),
        "max tokens": f"{spec.max_tokens:,}" if spec.max_tokens else "",
        "reduction": _REDUCTIONS[spec.reduction],
        "prompts": _prompts(spec),
        "first stage": str(spec.default_stage) if spec.sliceable else "",
    }


def _sizes(spec: ModelSpec) -> str:
    listed = ", ".join(map(str, spec.nested))
    if spec.any_size:
        reach = f"any ≥ {spec.minimum}" if spec.minimum else "any"
        return f"{reach} ({listed})" if listed else reach
    if not listed and spec.is_nested:
        return f"down to {spec.minimum}" if spec.minimum else "not published"
    return listed


def _prompts(spec: ModelSpec) -> str:
    sides = [
        side
        for side, prompt in (("query", spec.query_prompt), ("document", spec.document_prompt))
        if prompt
    ]
    return ", ".join(sides)


def _address(source: str) -> str:
    if source.startswith("arXiv:"):
        return f"https://arxiv.org/abs/{source.removeprefix('arXiv:')}"
    return source if source.startswith("https://") else ""
