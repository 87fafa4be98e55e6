"""The tree of errors, pinned: what users catch must not change by accident."""

import inspect
import re

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


def test_the_roots_public_names_are_pinned() -> None:
    assert sorted(mrl_adapters.__all__) == sorted([*TREE, "__version__"])
    assert all(hasattr(mrl_adapters, name) for name in mrl_adapters.__all__)
