"""Find a model by any of the names that frameworks and servers give it."""

import difflib
import re
from collections.abc import Iterator

from mrl_adapters.errors import ConfigurationError, UnknownModelError
from mrl_adapters.registry.rows import ROWS
from mrl_adapters.registry.spec import ModelSpec

_PROVIDER = re.compile(r"^[a-z][a-z_]*:(?=.)")
_FILE = re.compile(r"([._-](q\d\w*|i?q\d\w*|f16|bf16|f32))?[._-]gguf$")
_SPECS: dict[str, ModelSpec] = {}
_INDEX: dict[str, str] = {}


def get(name: str) -> ModelSpec:
    """Return what is known about a model.

    Args:
        name: Its name, with or without the organisation (``nomic-ai/...``), a provider
            (``openai:...``) or a tag (``nomic-embed-text:v1.5``); upper and lower case are equal.

    Raises:
        UnknownModelError: The registry does not hold it; the message lists near names.
    """
    spec = find(name)
    if spec is not None:
        return spec
    near = difflib.get_close_matches(_basename(name.lower()), _INDEX, n=3, cutoff=0.5)
    known = ", ".join(dict.fromkeys(_INDEX[key] for key in near))
    hint = f"Near names: {known}. " if known else ""
    msg = (
        f"Model {name!r} is not in the registry. {hint}See all: mrl-adapters models. Add yours: "
        "mrl_adapters.registry.register(ModelSpec(name=..., dimensions=..., nested=(...)))."
    )
    raise UnknownModelError(msg)


def find(name: str) -> ModelSpec | None:
    """Return what is known about a model, or None; see :func:`get` for the names it takes."""
    for candidate in _candidates(name.strip().lower()):
        if candidate in _INDEX:
            return _SPECS[_INDEX[candidate]]
    return None


def register(spec: ModelSpec, *, replace: bool = False) -> None:
    """Add a model of one's own.

    Args:
        spec: What is known about it.
        replace: Whether a model of the same name may be overwritten.

    Raises:
        ConfigurationError: One of its names is taken.
    """
    keys = _keys(spec)
    taken = [key for key in keys if _INDEX.get(key, spec.name) != spec.name]
    if not replace and spec.name in _SPECS:
        taken.append(spec.name)
    if taken:
        msg = (
            f"Model '{spec.name}': the name '{taken[0]}' is already registered. "
            "Choose another name, or pass replace=True to overwrite the model of that name."
        )
        raise ConfigurationError(msg)
    _SPECS[spec.name] = spec
    _INDEX.update(dict.fromkeys(keys, spec.name))


def names() -> tuple[str, ...]:
    """Return the names of all registered models, in the order of registration."""
    return tuple(_SPECS)


def _keys(spec: ModelSpec) -> list[str]:
    full = [spec.name.lower(), *(alias.lower() for alias in spec.aliases)]
    return list(dict.fromkeys([*full, *map(_basename, full)]))


def _candidates(name: str) -> Iterator[str]:
    """Yield the ways to read a name, the most literal first."""
    bare = _PROVIDER.sub("", name)
    for reading in dict.fromkeys((name, bare)):
        base = _basename(reading)
        plain = _FILE.sub("", base)
        yield from (reading, base, plain)
        # LM Studio's names: text-embedding-nomic-embed-text-v1.5
        yield plain.removeprefix("text-embedding-")
        # Ollama's tags: nomic-embed-text:v1.5, qwen3-embedding:0.6b, x:latest
        stem, _, tag = base.partition(":")
        if tag:
            yield f"{stem}-{tag}"
            if tag == "latest":
                yield stem


def _basename(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


for _row in ROWS:
    register(_row)
