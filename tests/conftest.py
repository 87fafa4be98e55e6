"""What tests of every room share."""

import pytest
from hypothesis import HealthCheck, settings

from mrl_adapters.registry import lookup

# Time says nothing on a busy machine: what a property costs is for the benchmarks.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register models that no other test sees."""
    monkeypatch.setattr(lookup, "_SPECS", dict(lookup._SPECS))
    monkeypatch.setattr(lookup, "_INDEX", dict(lookup._INDEX))
