"""The tree of errors, pinned: what users catch must not change by accident."""

import copy
import importlib.metadata
import inspect
import json
import pickle
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

import mrl_adapters
from mrl_adapters import errors

TREE = {
    "MRLError": (Exception,),
    "MissingExtraError": (errors.MRLError, ImportError),
    "UnknownModelError": (errors.MRLError, LookupError),
    "ConfigurationError": (errors.MRLError, ValueError),
    "DimensionsError": (errors.ConfigurationError,),
    "EmbeddingError": (errors.MRLError, ValueError),
    "CollectionMismatchError": (errors.MRLError,),
    "EngineError": (errors.MRLError, RuntimeError),
    "DeadlineError": (errors.MRLError, TimeoutError),
    "AnswerError": (errors.MRLError, RuntimeError),
    "QuotaError": (errors.MRLError, RuntimeError),
    "MigrationError": (errors.MRLError,),
}


def test_the_tree_holds_these_errors_and_no_others() -> None:
    defined = {
        name: each.__bases__
        for name, each in inspect.getmembers(errors, inspect.isclass)
        if each.__module__ == errors.__name__
    }
    assert defined == TREE


@pytest.mark.parametrize("name", sorted(TREE))
def test_the_drawing_in_the_docstring_shows_every_error(name: str) -> None:
    assert re.search(rf"\b{name}\b", str(errors.__doc__))


@pytest.mark.parametrize("name", sorted(TREE))
def test_every_error_can_be_caught_as_the_packages_own(name: str) -> None:
    assert issubclass(getattr(mrl_adapters, name), mrl_adapters.MRLError)


def test_a_missing_extra_says_what_to_type() -> None:
    error = errors.MissingExtraError("wordllama", "static")
    assert str(error) == ("wordllama is not installed. Run: pip install 'mrl-adapters[static]'")
    assert (error.package, error.extra) == ("wordllama", "static")


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({"dir_info": {"editable": True}}, "pip install -e '{}[static]'"),
        ({"dir_info": {}}, "pip install '{}[static]'"),
        ({"url": "file:///nowhere"}, None),
        ({"url": "https://example.com/x.whl"}, None),
        (None, None),
    ],
)
def test_a_missing_extra_knows_where_the_package_came_from(
    origin: dict[str, Any] | None,
    line: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Installed(NamedTuple):
        name: str

        def read_text(self, _: str) -> str | None:
            recorded = origin and {"url": tmp_path.as_uri(), **origin}
            return recorded and json.dumps(recorded)

    monkeypatch.setattr(importlib.metadata, "distribution", Installed)
    error = errors.MissingExtraError("wordllama", "static")
    assert errors.told(error).startswith(f"{error}")
    noted = errors.told(error).removeprefix(str(error))
    wanted = line and f" From where this package was installed: {line.format(tmp_path)}"
    assert noted == (wanted or "")


def test_run_from_its_sources_a_missing_extra_knows_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", none)
    error = errors.MissingExtraError("x", "static")
    assert errors.told(error) == str(error)


COPIERS: dict[str, Callable[[Exception], Exception]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own bytes
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("copier", sorted(COPIERS))
@pytest.mark.parametrize("name", sorted(set(TREE) - {"MissingExtraError"}))
def test_an_error_keeps_its_message_and_attributes_through(name: str, copier: str) -> None:
    kind = getattr(errors, name)
    error = kind("wrong", collection="docs", found=(128,), expected=256, path=Path("a") / "b")
    error.add_note("while adding")
    kept = COPIERS[copier](error)
    assert type(kept) is kind
    assert (str(kept), kept.args) == ("wrong", ("wrong",))
    assert vars(kept) == vars(error)
    assert (kept.collection, kept.found, kept.expected) == ("docs", (128,), 256)  # type: ignore[attr-defined] # the kind is known above
    assert kept.path == str(Path("a") / "b")  # type: ignore[attr-defined] # likewise


@pytest.mark.parametrize("name", sorted(set(TREE) - {"MissingExtraError"}))
def test_what_cannot_be_pickled_travels_as_it_looks(name: str) -> None:
    held = threading.Lock()
    error = getattr(errors, name)("wrong", found=held, expected=256)
    kept = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (kept.args, kept.found, kept.expected) == (("wrong",), repr(held), 256)


@pytest.mark.parametrize("copier", sorted(COPIERS))
def test_a_missing_extra_keeps_what_is_missing_through(copier: str) -> None:
    error = errors.MissingExtraError("wordllama", "static")
    kept = COPIERS[copier](error)
    assert isinstance(kept, errors.MissingExtraError)
    assert (str(kept), kept.msg, kept.args) == (str(error), str(error), error.args)
    assert (kept.package, kept.extra, kept.name) == ("wordllama", "static", "wordllama")


def test_an_error_without_attributes_has_none() -> None:
    error = errors.EngineError("closed")
    assert (error.collection, error.found, error.expected, error.path) == (None,) * 4


def test_the_roots_public_names_are_pinned() -> None:
    assert sorted(mrl_adapters.__all__) == sorted([*TREE, "__version__"])
    assert all(hasattr(mrl_adapters, name) for name in mrl_adapters.__all__)
