"""What is known about embedding models: sizes, recipes, prompts, with the source of each fact."""

from mrl_adapters.registry.config import from_config
from mrl_adapters.registry.lookup import find, get, names, register
from mrl_adapters.registry.spec import MatryoshkaWarning, ModelSpec

__all__ = [
    "MatryoshkaWarning",
    "ModelSpec",
    "find",
    "from_config",
    "get",
    "names",
    "register",
]
