"""The commands, and how their errors look: one line and exit code 1 instead of a traceback."""

import os
import warnings
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from mrl_adapters import MRLError, __version__
from mrl_adapters.cli import (
    backup,
    bench,
    collections,
    demo,
    health,
    index,
    measure,
    migrate,
    models,
    quickstart,
    recommend,
    rotate,
    search,
)
from mrl_adapters.cli.terminal import output, tell, warn
from mrl_adapters.errors import told

# What a server, or the network on the way to it, may answer. Told by name: none of these packages
# is imported for it.
_REMOTE = frozenset(
    {
        *("grpc", "httpcore", "httpx", "httpx2", "openai", "qdrant_client"),
        *("huggingface_hub", "requests", "urllib3"),
    }
)

_GOES_ON = frozenset({"index", "migrate", "repair", "rotate"})


class _OneLineErrors(TyperGroup):
    """Turn errors that the user can do something about into one line, and so warnings."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                if ctx.invoked_subcommand not in _GOES_ON:
                    raise
                tell("Interrupted", "bold yellow", "Run the same command again, and it goes on.")
                raise typer.Exit(130) from None  # as shells count it
            except MRLError as error:
                _fail(told(error))
            except BrokenPipeError:
                raise  # whoever read the output has had enough: click's to end quietly
            except OSError as error:
                if error.errno is not None:
                    _fail(_of_the_system(error))
                # Model hubs say "not found" and "no connection" by a bare one.
                if type(error) is not OSError and not _is_remote(error):
                    raise
                _fail(f"{_told(error)}. Check the address, the name and the connection.")
            except Exception as error:
                if not _is_remote(error):
                    raise
                _fail(f"{_told(error)}. Check the server's address, its key and its state.")


app: typer.Typer = typer.Typer(
    cls=_OneLineErrors,
    name="mrl-adapters",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start": (quickstart.quickstart, index.index, search.search),
    "Choose": (
        models.models,
        measure.curve,
        measure.tune,
        recommend.recommend,
        demo.demo,
        bench.bench,
    ),
    "Existing collections": (
        collections.list_collections,
        collections.info,
        collections.delete,
        migrate.migrate,
        rotate.rotate,
        health.audit,
        health.repair,
        backup.backup,
        backup.restore,
    ),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _name = _command.__name__.partition("_")[0]
        app.command(_name, rich_help_panel=_panel)(_command)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        output.print(f"mrl-adapters {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Matryoshka embeddings and two-stage search on Qdrant."""


def _fail(message: str) -> NoReturn:
    tell("Error", "bold red", message)
    raise typer.Exit(1)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as :func:`warnings.showwarning` does, without the place in the code."""
    del category, filename, lineno, file, line
    warn(str(message))


def _is_remote(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in _REMOTE


def _of_the_system(error: OSError) -> str:
    """Return what the system refused, and of which file."""
    names = [repr(os.fsdecode(name)) for name in (error.filename, error.filename2) if name]
    where = f"{' and '.join(names)}: " if names else ""
    return f"{where}{error.strerror}. Check that it exists, may be used, and has room."


def _told(error: Exception) -> str:
    """Return in one line what a client's error says in many, a server's own reason above all."""
    from mrl_adapters.qdrant.refusals import reason_of, status_of

    if reason := reason_of(error):
        lines = reason.splitlines()
        return f"{status_of(error) or type(error).__name__}: {lines[0]}".rstrip(".")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}".rstrip(".")
