"""Options that several commands take; what none of them could mean is refused here."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from mrl_adapters.qdrant import SparseVectors, TextIndex

_MOST = 1_000_000  # results of one search
_SHOWN = 80  # characters of a wrong value


def some(text: str) -> str:
    """Refuse what is no text, and an empty one: mostly a variable of the shell that is not set."""
    if not text.strip():
        msg = "it is empty. Is a variable of the shell not set?"
        raise typer.BadParameter(msg)
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = "it holds bytes that are not UTF-8. Write it anew, or set the terminal to UTF-8."
        raise typer.BadParameter(msg) from None
    return text


def some_path(text: str) -> Path:
    """Read a path, of whatever bytes; an empty one would mean the current folder."""
    return Path(text if text.strip() else some(text))


def number(text: str) -> float:
    """Read a number that is one."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        msg = f"expected a number, found {text!r}"
        raise typer.BadParameter(msg)
    return found


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        found = json.loads(some(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        msg = f"expected a JSON object such as '{{\"key\": 5}}', found {text[:_SHOWN]!r}"
        raise typer.BadParameter(msg)
    return found


def share(text: str) -> float:
    """Read a number between 0 and 1."""
    if not 0 < (found := number(text)) < 1:
        msg = f"expected a number between 0 and 1 such as 0.99, found {text!r}"
        raise typer.BadParameter(msg)
    return found


def key(text: str) -> str:
    """Read a server's key; the message never shows it."""
    if not some(text).isascii() or not text.isprintable():
        msg = "a key is of ASCII letters. Was it copied with something else?"
        raise typer.BadParameter(msg)
    return text


CollectionArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", parser=some, help="The collection's name.")
]
PathOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded engine. Default: a folder of your user's data.",
        parser=some_path,
        metavar="PATH",
        show_default=False,
    ),
]
UrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Address of a Qdrant server, instead of --path.",
        parser=some,
        metavar="TEXT",
        show_default=False,
    ),
]
ApiKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="QDRANT_API_KEY",
        help="The server's key. Better set in the environment: no shell history keeps it there.",
        parser=key,
        metavar="TEXT",
        show_default=False,
    ),
]
ModelOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help=(
            "wordllama (in this process, no download), openai:NAME or sentence-transformers:NAME. "
            "Default: the model that wrote the collection; wordllama for a new one."
        ),
        parser=some,
        metavar="TEXT",
        show_default=False,
    ),
]
StagesOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Sizes of the short vectors, such as 64,256.", show_default=False),
]
QuantizationOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        parser=some,
        metavar="CODES",
        help="Codes of the vectors that are searched first: int8, turbo8, turbo4, turbo2, "
        "turbo1.5, turbo1, binary, or none. Default: those that it has; int8 for new ones.",
        show_default=False,
    ),
]
FullNameOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Which vector is the full one, if several could be.",
        show_default=False,
    ),
]
ResultsOption: TypeAlias = Annotated[
    int, typer.Option("-k", min=1, max=_MOST, help="Results wanted.")
]
CountedOption: TypeAlias = Annotated[
    int, typer.Option("-k", min=1, max=_MOST, help="Results of a search that count.")
]
SeedOption: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Draws the samples: the same seed, the same result.")
]
PlotOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Draw it into this file: .png, .svg or .pdf.",
        parser=some_path,
        metavar="FILE",
        show_default=False,
    ),
]
HtmlOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Write it as a page that works offline and can be mailed: a file .html.",
        parser=some_path,
        metavar="FILE",
        show_default=False,
    ),
]
FilterOption: TypeAlias = Annotated[
    dict[str, Any] | None,
    typer.Option(
        "--filter",
        parser=json_object,
        metavar="JSON",
        help='What the metadata must be, such as \'{"year": {"$gte": 2020}}\'.',
        show_default=False,
    ),
]
ThresholdOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="NUMBER",
        help="Score that results must exceed (distances: stay below).",
        show_default=False,
    ),
]
PlanOption: TypeAlias = Annotated[
    dict[str, Any] | None,
    typer.Option(
        parser=json_object,
        metavar="JSON",
        help="Knobs of the plan to change, such as '{\"oversampling\": 4}'.",
        show_default=False,
    ),
]
HybridOption: TypeAlias = Annotated[
    Literal["rrf", "dbsf", "rescore", "lexical"] | None,
    typer.Option(
        help="Search by words too: fuse ranks (rrf) or scores (dbsf), let the full vectors rank "
        "what either finds (rescore), or take words alone (lexical).",
        show_default=False,
    ),
]
TextIndexOption: TypeAlias = Annotated[
    bool,
    typer.Option("--text-index", help="Index the texts' words, for search --hybrid."),
]
SparseOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--sparse",
        help="Weigh the texts' words by BM25 as sparse vectors, for search --hybrid on any engine.",
    ),
]
LanguageOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        parser=some,
        metavar="TEXT",
        help="Language of the texts, where words are indexed: whose stop words are left out and "
        "whose endings are cut off; none keeps words as they are. Default: english.",
        show_default=False,
    ),
]
LateInteractionOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        parser=some,
        metavar="MODULE:NAME",
        help="What computes token vectors, to rank by late interaction: a class or an object, such "
        "as mrl_adapters.embeddings:WordLlamaTokens.",
        show_default=False,
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parse_sizes(text: str, option: str = "--stages") -> tuple[int, ...]:
    """Read sizes between commas, or the word "none".

    Returns:
        The sizes, in the order given.
    """
    if text == "none":
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        msg = f"expected sizes between commas such as 64,256, found {text[:_SHOWN]!r}"
        raise typer.BadParameter(msg, param_hint=option)
    return sizes


def parse_words(
    language: str | None, *, text_index: bool, sparse: bool, option: str = "--text-index"
) -> "tuple[TextIndex | None, SparseVectors | None]":
    """Read what options that find words, and ``--language``, say together.

    Returns:
        The text index and the sparse vectors; None for what is not asked for.
    """
    if not (text_index or sparse):
        if language is not None:
            msg = f"it says how words are cut: pass {option} with it"
            raise typer.BadParameter(msg, param_hint="--language")
        return None, None
    from mrl_adapters.errors import ConfigurationError
    from mrl_adapters.qdrant import SparseVectors, TextIndex

    chosen = None if language == "none" else (language or "english")
    try:
        rules = TextIndex(chosen) if text_index else None
        return rules, SparseVectors(chosen) if sparse else None
    except ConfigurationError as error:
        raise typer.BadParameter(str(error), param_hint="--language") from None
