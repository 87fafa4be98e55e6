"""What an engine must have for a layout: refused by name before anything is made."""

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.engine import is_older
from mrl_adapters.qdrant.flow import Flow, ask, current_engine
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.quantization import oldest_server

_EVERYWHERE = {"quantization": ("int8", None), "full_datatype": ("float16", "float32")}


def check_engine_has(name: str, layout: CollectionLayout) -> Flow[None]:
    """Refuse codes and types of vectors that the engine of the running flow lacks.

    Args:
        name: Of the collection that is to have them, for messages.
        layout: What it is to be.

    Raises:
        ConfigurationError: It lacks one; the message names what it has instead.
    """
    asked = {
        option: getattr(layout, option)
        for option, everywhere in _EVERYWHERE.items()
        if getattr(layout, option) not in everywhere
    }
    engine = current_engine()
    if not asked or (engine.has_indexes and not engine.is_server):
        return
    named = " and ".join(f"{option}={value!r}" for option, value in asked.items())
    instead = " and ".join(f"{option}={_EVERYWHERE[option][0]!r}" for option in asked)
    if not engine.has_indexes:
        msg = (
            f"Collection {name!r}: qdrant-client's local mode has no {named}: it compares whole "
            f"vectors. Pass {instead}, or take the embedded engine: connect(path=...)."
        )
        raise ConfigurationError(msg, found=asked)
    oldest = oldest_server(layout.quantization, layout.full_datatype)
    if oldest is None:
        return
    version = (yield from ask(lambda c: c.info())).version
    if is_older(version, oldest):
        msg = (
            f"Collection {name!r}: {named} needs a Qdrant server of {oldest[0]}.{oldest[1]} or "
            f"later, found {version}. Pass {instead}, or take the embedded engine: "
            "connect(path=...)."
        )
        raise ConfigurationError(msg, found=version, expected=oldest)
