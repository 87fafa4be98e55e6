"""What filters mean, once for both adapters: they translate syntax, this package decides.

An adapter asks :func:`~mrl_adapters.qdrant.filters.fields.fields` for the payload fields that a
metadata key may name, has each field build a term (equal to, one of, at least, ...), and joins the
terms by logic. What every term means on every engine:

- A field that is an array holds each of its members, unless a term says otherwise.
- Whole numbers and floats are equal where Python says so (1 == 1.0), exactly, whatever their size.
  Booleans are no numbers.
- Floats that take 16 or 17 digits are equal to their two neighbours: engines read about one in
  ten of them back one unit off.
- Text is compared as it is; dates are texts, compared as moments in time.
- A missing field, null and an empty array are all the same: empty. Nothing is equal to them but
  None, and nothing is greater or less.
- No terms at all: all of them hold, none of any.

Source: https://qdrant.tech/documentation/concepts/filtering/
"""

from mrl_adapters.qdrant.filters.fields import Field, fields
from mrl_adapters.qdrant.filters.logic import (
    Term,
    admitted,
    all_of,
    any_of,
    as_filter,
    check_nesting,
    for_deletion,
    negated,
)
from mrl_adapters.qdrant.filters.values import compared

__all__ = [
    "Field",
    "Term",
    "admitted",
    "all_of",
    "any_of",
    "as_filter",
    "check_nesting",
    "compared",
    "fields",
    "for_deletion",
    "negated",
]
