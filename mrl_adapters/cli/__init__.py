"""The command line, ``mrl-adapters``: a thin shell over the package.

Importing this imports no framework, no client and neither typer nor rich.
"""

import io
import signal
import sys

from mrl_adapters.errors import MissingExtraError, told

_BY_SIGNAL = 128  # and the signal's number, as shells count it
_INTERRUPTED = _BY_SIGNAL + signal.SIGINT
_ENDING = ("SIGTERM", "SIGHUP")  # Windows has no second one
_PACKAGES = frozenset({"platformdirs", "rich", "typer"})


def main() -> None:
    """Run the command line; say what to install where its packages are missing."""
    try:
        from mrl_adapters.cli.app import app
    except KeyboardInterrupt:  # later ones are the command's own to end
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as error:
        # A module of our own that cannot be found is a defect, which no extra mends.
        if error.name is None or error.name.partition(".")[0] not in _PACKAGES:
            raise
        print(f"Error: {told(MissingExtraError(error.name, 'cli'))}", file=sys.stderr)  # noqa: T201 - rich may be what is missing
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        # A text may hold characters that an old terminal does not know: rather a "?" than no text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Ended by another program or with its terminal, a command tidies up as it does for Ctrl-C.
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, lambda sent, _: sys.exit(_BY_SIGNAL + sent))
    app()
