"""Read CBOR, and find what is nested too deeply in it without recursion.

Source: https://www.rfc-editor.org/rfc/rfc8949
"""

import struct
from dataclasses import dataclass
from typing import Any

NULL = b"\xf6"

_BREAK = 0xFF
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6
_ENDLESS = 31
_FIRST_LONG, _LAST_LONG = 24, 27


@dataclass(frozen=True)
class Part:
    """An array or map of a record, and the outermost of the given map keys that it lies under."""

    start: int
    end: int
    under: bytes | None


@dataclass
class _Open:
    """An array or map that is being read; `left` is -1 where a break ends it."""

    start: int
    left: int
    is_map: bool
    under: bytes | None
    key: bytes | None = None
    at_key: bool = True


def parts_below(content: bytes, depth: int, keys: frozenset[bytes]) -> list[Part]:
    """Return the arrays and maps that lie inside exactly `depth` others, told apart by map keys."""
    parts: list[Part] = []
    around: list[_Open] = []
    at = 0
    while not at or around:
        start, first = at, content[at]
        at += 1
        if first == _BREAK:
            around[-1].left = 0
        else:
            kind, short = first >> 5, first & 31
            value = short
            if _FIRST_LONG <= short <= _LAST_LONG:
                width = 1 << short - _FIRST_LONG
                value = int.from_bytes(content[at : at + width], "big")
                at += width
            if kind == _TAG:
                continue
            inner = around[-1] if around else None
            if kind in {_ARRAY, _MAP} or (kind in {_BYTES, _TEXT} and short == _ENDLESS):
                left = -1 if short == _ENDLESS else value * (2 if kind == _MAP else 1)
                under = (inner.under or inner.key) if inner else None
                around.append(_Open(start, left, kind == _MAP, under))
            elif kind in {_BYTES, _TEXT}:
                at += value
            if inner is not None:
                _count(inner, content[at - value : at] if kind == _TEXT else b"", keys)
        while around and around[-1].left == 0:
            done = around.pop()
            if len(around) == depth:
                parts.append(Part(done.start, at, done.under))
    return parts


def _count(inner: _Open, text: bytes, keys: frozenset[bytes]) -> None:
    """Note that an array or map has one item less to come, and under which key the next lies."""
    inner.left -= inner.left > 0
    if inner.is_map:
        if inner.at_key:
            inner.key = text if text in keys else None
        inner.at_key = not inner.at_key


def without(content: bytes, parts: list[Part]) -> bytes:
    """Put NULL in the place of parts."""
    kept, at = [], 0
    for part in parts:
        kept += [content[at : part.start], NULL]
        at = part.end
    return b"".join([*kept, content[at:]])


def decoded(content: bytes) -> Any:
    """Decode an item of the engine's log that is not nested too deeply."""
    return _Reader(content).item()


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def item(self) -> Any:
        first = self._take(1)[0]
        kind, short = first >> 5, first & 31
        width = 1 << short - _FIRST_LONG if _FIRST_LONG <= short <= _LAST_LONG else 0
        raw = self._take(width)
        value = int.from_bytes(raw, "big") if width else short
        if kind == _ARRAY:
            return list(self._items(short, value))
        if kind == _MAP:
            flat = self._items(short, value * 2)
            return dict(zip(flat[::2], flat[1::2], strict=True))
        if kind in {_BYTES, _TEXT}:
            text = self._take(value)
            return text.decode() if kind == _TEXT else text
        if kind <= _NEGATIVE:
            return -1 - value if kind else value
        return struct.unpack(_FLOATS[width], raw)[0] if width > 1 else _SIMPLE.get(value)

    def _items(self, short: int, count: int) -> list[Any]:
        if short != _ENDLESS:
            return [self.item() for _ in range(count)]
        items = []
        while self._content[self._at] != _BREAK:
            items.append(self.item())
        self._at += 1
        return items

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._content[self._at - count : self._at]


_NEGATIVE = 1
_FLOATS = {2: ">e", 4: ">f", 8: ">d"}
_SIMPLE = {20: False, 21: True}
