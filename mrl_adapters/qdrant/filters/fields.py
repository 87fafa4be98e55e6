"""What one payload field must be or hold: every test that both adapters' operators are made of."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from mrl_adapters.edge import is_text
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters.keys import paths
from mrl_adapters.qdrant.filters.logic import Term, all_of, any_of, negated
from mrl_adapters.qdrant.filters.values import (
    as_moment,
    check_number,
    equals_one_of,
    moment_within,
    number_within,
)


class MatchText(models.MatchText):
    """Words, as the adapters' operators mean them: whole ones in any case, on every engine.

    Its name is that of Qdrant's own, by which engines know it; its type tells it from conditions
    that callers built: see :mod:`mrl_adapters.qdrant.text_indexes`.
    """


@dataclass(frozen=True)
class Field:
    """One payload field, by its path; its methods build terms about it.

    A field with a payload index holds what the index says: whole numbers in an integer one, and so
    on. Terms are then answered by the index alone where that is possible.

    Args:
        path: Where it lies in the payload, as Qdrant writes it.
        name: The key that the user gave, for messages.
        index: Type of its payload index, None without one.
        members_index: The same of its members, the path ``path[]``.
    """

    path: str
    name: str
    index: str | None = None
    members_index: str | None = None

    def holds_one_of(self, values: Sequence[Any], path: str | None = None) -> Term:
        """Be one of some values, or an array with one of them among its members.

        Args:
            values: Texts, numbers, booleans, dates; None for an empty field.
            path: The field, if not this one's own path.
        """
        path = path or self.path
        texts: dict[str, None] = {}
        plain_numbers: list[float] = []
        found: list[Term] = []
        for value in values:
            if value is None:
                found.append(_is_empty(path))
            elif isinstance(value, str):
                texts[_text(self.name, value)] = None
            elif isinstance(value, bool):
                found.append(_match(path, models.MatchValue(value=value)))
            elif isinstance(value, int | float):
                plain_numbers.append(check_number(self.name, value))
            elif isinstance(value, dt.date) and (moment := as_moment(value)) is not None:
                found.append(moment_within(path, gte=moment, lte=moment))
            else:
                msg = (
                    f"Filter on {self.name!r}: {value!r} cannot be compared. Pass text, a number, "
                    "a bool, a date or None."
                )
                raise ConfigurationError(msg)
        if len(texts) == 1:
            found.append(_match(path, models.MatchValue(value=next(iter(texts)))))
        elif texts:
            found.append(_match(path, models.MatchAny(any=list(texts))))
        return any_of([*found, *equals_one_of(path, plain_numbers, self.index)])

    def is_one_of(self, values: Sequence[Any]) -> Term:
        """Be one of some values, and no array.

        Args:
            values: As :meth:`holds_one_of` takes them.
        """
        held = self.holds_one_of(values)
        # Without an index the payload is read in any case; with one, only a second index tells
        # arrays apart as fast.
        if self.index is not None and self.members_index is None:
            return held
        return all_of([held, negated(self.holds_one_of(values, f"{self.path}[]"))])

    def is_list(self, members: Sequence[Sequence[Any]]) -> Term:
        """Be an array of exactly these members, in this order.

        Args:
            members: At least one; of each the different things that stand for it, as
                :meth:`holds_one_of` takes them.
        """
        length = models.ValuesCount(gte=len(members), lte=len(members))
        terms: list[Term] = [models.FieldCondition(key=self.path, values_count=length)]
        for place, member in enumerate(members):
            path = f"{self.path}[{place}]"
            within = negated(self.holds_one_of(member, f"{path}[]"))  # that is an array itself
            terms += [self.holds_one_of(member, path), within]
        return all_of(terms)

    def contains(self, values: Sequence[Any]) -> Term:
        """Be an array with one of some values among its members, or a text with their words.

        Args:
            values: Texts, numbers, booleans: one, or the different things that stand for it.
        """
        member = self.holds_one_of(values)
        words = [value for value in values if isinstance(value, str)]
        if not words or self.index not in {None, "text"}:
            return member
        # Of an array only whole members count, so words are sought where there is none.
        texts = any_of(map(self.has_words, words))
        return any_of([member, all_of([texts, _is_empty(f"{self.path}[]")])])

    def has_words(self, words: Any) -> Term:
        """Be a text with all of some words, in any order.

        What a word is, and whether case matters, is a matter of the field's text index. Without
        one the embedded engine and local mode compare whole words in any case; on a server an
        index that does so is made, or asked for: see :mod:`mrl_adapters.qdrant.text_indexes`.

        Args:
            words: The words, as one text.

        Raises:
            ConfigurationError: They are no text.
        """
        return _match(self.path, MatchText(text=self._as_text(words, "words")))

    def is_like(self, pattern: Any) -> Term:
        """Match a pattern of SQL's LIKE: see :func:`_like`.

        Args:
            pattern: The pattern.

        Raises:
            ConfigurationError: It is no text, or Qdrant cannot match it.
        """
        return _like(self.path, self.name, self._as_text(pattern, "a pattern"))

    def is_empty(self) -> Term:
        """Be missing, null or an empty array."""
        return _is_empty(self.path)

    def compares(self, bound: str, value: Any) -> Term:
        """Lie on one side of a number or a moment.

        Args:
            bound: gt, gte, lt or lte.
            value: A number, a date, or a date as text.

        Raises:
            ConfigurationError: It is something else, or a number that cannot be stored.
        """
        if isinstance(value, int | float) and not isinstance(value, bool):
            return number_within(self.path, bound, check_number(self.name, value))
        if (moment := as_moment(value)) is not None:
            return moment_within(self.path, **{bound: moment})
        msg = (
            f"Filter on {self.name!r}: only numbers and dates are ordered, found "
            f"{type(value).__name__} {value!r}. Write dates as 2026-01-31 or 2026-01-31T12:00:00Z."
        )
        raise ConfigurationError(msg)

    def _as_text(self, value: Any, what: str) -> str:
        if isinstance(value, str):
            return _text(self.name, value)
        msg = f"Filter on {self.name!r}: expected {what} as text, found {value!r}."
        raise ConfigurationError(msg)


def fields(
    keys: Sequence[str], prefix: str | None = None, indexes: Mapping[str, str] | None = None
) -> list[Field]:
    """List the payload fields that a metadata key may name: see :mod:`.keys`.

    Args:
        keys: The key; several for a key within a key.
        prefix: Name of the payload field that the metadata stand under; None for the payload
            itself.
        indexes: Payload field to index type, of the collection that is searched.

    Raises:
        ConfigurationError: Qdrant cannot name the key.
    """
    name, indexes = ".".join(keys), indexes or {}
    return [
        Field(path, name, indexes.get(path), indexes.get(f"{path}[]"))
        for path in paths(keys, prefix, indexes)
    ]


def _match(path: str, match: models.Match) -> Term:
    return models.FieldCondition(key=path, match=match)


def _is_empty(path: str) -> Term:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=path))


def _text(name: str, value: str) -> str:
    if not is_text(value):
        msg = f"Filter on {name!r}: {value!r} holds half of a character (a lone surrogate)."
        raise ConfigurationError(msg)
    return value


_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<wildcard>[%_])|(?P<text>.)", re.DOTALL)


def _like(path: str, name: str, pattern: str) -> Term:
    r"""Match a whole text with a pattern, case and all.

    ``%`` stands for any text, also none; a backslash takes ``%``, ``_`` and itself literally.
    Qdrant matches ``text``, ``text%`` (servers from 1.19) and ``%text%`` (servers from 1.20); it
    has nothing for ``_``, for a text's end alone, or for ``%`` between texts.
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
