"""How deep a filter may be: the embedded engine's log reads nothing that is nested deeper."""

from mrl_adapters.errors import ConfigurationError

# Groups within groups. The log's reader stops at 128 levels and counts three or four for each.
DEEPEST = 24


def check_nesting(depth: int) -> None:
    """Refuse a filter that is nested too deep, before it is followed any further.

    Args:
        depth: Groups within groups so far.

    Raises:
        ConfigurationError: There are too many; a filter that holds itself has no end.
    """
    if depth > DEEPEST:
        msg = (
            f"Filter: nested more than {DEEPEST} deep, or it holds itself. Write it flatter: the "
            "conditions of one $and or $or can stand in one list."
        )
        raise ConfigurationError(msg)
