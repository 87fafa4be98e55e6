"""Warn of what is wrong at the line of the user's program that led there."""

import sys
import warnings

_PASSED_THROUGH = frozenset(
    {"mrl_adapters", "langchain_core", "llama_index", "llama_index_instrumentation", "asyncio"}
)
"""Packages whose lines lie between the user's and this package's, and tell the user nothing."""


def warn_user(message: str, category: type[Warning]) -> None:
    """Issue a warning whose place is the nearest caller outside this package and the frameworks.

    Where there is none, as in a thread's or an event loop's own frames, the place is the outermost.

    Args:
        message: What is wrong, and what helps.
        category: What kind of warning it is.
    """
    frame, level = sys._getframe(1), 2  # noqa: SLF001 - as warnings' own skip_file_prefixes (3.12)
    while frame.f_back is not None and _package(frame.f_globals) in _PASSED_THROUGH:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(names: dict[str, object]) -> str:
    return str(names.get("__name__")).partition(".")[0]
