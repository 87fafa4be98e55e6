"""Refuse names that are no text."""

from mrl_adapters.errors import ConfigurationError


def is_text(given: str) -> bool:
    """Tell whether UTF-8, and so the engine, can hold a string: half a surrogate pair it cannot."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(given: str, what: str) -> None:
    """Refuse a name that no file and no engine can hold.

    Args:
        given: The name.
        what: What it names, for the message: ``collection name``.

    Raises:
        ConfigurationError: It holds half a surrogate pair.
    """
    if not is_text(given):
        message = (
            f"The {what} {given!r} holds half a surrogate pair, which no engine can hold. "
            "Nothing was done. Decode that text anew, or choose another."
        )
        raise ConfigurationError(message, found=given)
