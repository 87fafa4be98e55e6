"""Keep credentials out of what LlamaIndex hashes, logs and sends to its instrumentation."""

import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(
    r"(?:^|_)(?:api_?key|key|token|secret|password|credentials?|authorization|headers?)$",
    re.IGNORECASE,
)


def without_secrets(given: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out entries that are named like credentials, at every depth.

    Args:
        given: A serialised component.

    Returns:
        A copy without them.
    """
    return {
        name: without_secrets(value) if isinstance(value, Mapping) else value
        for name, value in given.items()
        if not _SECRET.search(name)
    }
