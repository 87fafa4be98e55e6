"""SQL's LIKE, as far as Qdrant can match it: a text, its beginning, or a part of it."""

import re

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters.logic import Term

_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<wildcard>[%_])|(?P<text>.)", re.DOTALL)


def like(path: str, name: str, pattern: str) -> Term:
    r"""Match a whole text with a pattern, case and all.

    ``%`` stands for any text, also none; a backslash takes ``%``, ``_`` and itself literally.
    Qdrant matches ``text``, ``text%`` (servers from 1.19) and ``%text%`` (servers from 1.20); it
    has nothing for ``_``, for a text's end alone, or for ``%`` between texts.

    Args:
        path: The field.
        name: The key, for messages.
        pattern: The pattern.

    Raises:
        ConfigurationError: Qdrant cannot match such a pattern.
    """
    tokens = [match.groupdict() for match in _TOKEN.finditer(pattern)]
    shape = "".join(token["wildcard"] or "x" for token in tokens)
    text = "".join(token["escaped"] or token["text"] or "" for token in tokens)
    if re.fullmatch("x*", shape):
        match: models.Match = models.MatchValue(value=text)
    elif re.fullmatch("x*%+", shape):
        match = models.MatchPrefix(prefix=text)
    elif re.fullmatch("%+x+%+", shape):
        match = models.MatchSubstring(substring=text)
    else:
        msg = (
            f"Filter on {name!r}: $like {pattern!r} cannot be matched. Qdrant finds texts by all "
            "of them ('text'), their beginning ('text%') or a part ('%text%'); it has nothing for "
            "'_', '%text' or 'a%b'. Write \\% and \\_ for the characters themselves."
        )
        raise ConfigurationError(msg)
    return models.FieldCondition(key=path, match=match)
