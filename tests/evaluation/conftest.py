"""Corpora that take seconds to read, read once."""

import pytest

from mrl_adapters.evaluation import Dataset, docstring_dataset


@pytest.fixture(scope="session")
def judged_docstrings() -> Dataset:
    return docstring_dataset()
