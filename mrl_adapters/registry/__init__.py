"""What is known about embedding models: sizes, recipes, prompts, with the source of each fact."""

from mrl_adapters.registry.lookup import find, get, names, register
from mrl_adapters.registry.spec import MatryoshkaWarning, ModelSpec

__all__ = ["MatryoshkaWarning", "ModelSpec", "find", "get", "names", "register"]
