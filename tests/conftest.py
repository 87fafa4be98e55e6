"""What tests of every room share."""

import pytest

from mrl_adapters.registry import lookup


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register models that no other test sees."""
    monkeypatch.setattr(lookup, "_SPECS", dict(lookup._SPECS))
    monkeypatch.setattr(lookup, "_INDEX", dict(lookup._INDEX))
