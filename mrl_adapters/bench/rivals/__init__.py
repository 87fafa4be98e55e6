"""Libraries that users would take instead, measured on the same data and queries."""

from mrl_adapters.bench.rivals.base import Rival
from mrl_adapters.bench.rivals.chroma import Chroma
from mrl_adapters.bench.rivals.faiss import FaissGraph, FaissLists
from mrl_adapters.bench.rivals.hnswlib import Hnswlib
from mrl_adapters.bench.rivals.lancedb import LanceDB
from mrl_adapters.bench.rivals.turbovec import Turbovec
from mrl_adapters.bench.rivals.usearch import USearch
from mrl_adapters.bench.rivals.zvec import Zvec
from mrl_adapters.errors import MissingExtraError

__all__ = ["RIVALS", "Rival", "present_rivals"]

RIVALS: tuple[Rival, ...] = (
    FaissGraph(),
    FaissLists(),
    USearch(),
    Hnswlib(),
    LanceDB(),
    Chroma(),
    Turbovec(),
    Zvec(),
)
"""All of them."""


def present_rivals(only: tuple[str, ...] = ()) -> list[Rival]:
    """List the rivals whose packages are installed.

    Args:
        only: Parts of names that are asked for: where one is in the name of a rival whose package
            is missing, and in that of none that is there, that is an error.

    Raises:
        MissingExtraError: No package is installed, or one that is asked for by name is not.
    """
    present = [rival for rival in RIVALS if rival.is_installed]
    for word in only:
        named = [rival for rival in RIVALS if word in rival.name]
        if named and not any(rival.is_installed for rival in named):
            raise MissingExtraError(named[0].package, "rivals")
    if not present:
        raise MissingExtraError(RIVALS[0].package, "rivals")
    return present
