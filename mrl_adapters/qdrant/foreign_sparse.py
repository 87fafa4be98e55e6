"""Sparse vectors of a collection that nobody here computes: a stock store's, opened without it.

Who searches by them, as the stock store does, misses what is written without them. They are no
reason to refuse a write: vectors find it, and many programs want no more.
"""

from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.user_warnings import warn_user


class MissingSparseVectorsWarning(UserWarning):
    """Documents were stored without the sparse vector that others in the collection have."""


class ForeignSparse:
    """What a collection has beside the sparse vectors of its layout.

    Args:
        collection: The collection's name.
        names: Names of those vectors.
    """

    def __init__(self, collection: str, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self._collection = collection
        self._told = False

    def warn(self) -> None:
        """Warn, once, that what has been written lacks them."""
        if not self.names or self._told:
            return
        self._told = True
        msg = (
            f"Collection {self._collection!r}: what is written now has no sparse vector "
            f"{self.names[0]!r}, as others there have: stores that search by it will not find it. "
            f"{self._opening()}"
        )
        warn_user(msg, MissingSparseVectorsWarning)

    def refusal(self, how: str) -> CollectionMismatchError:
        """Return the error of a search by words that they stand in the way of."""
        return self._error(
            f"The plan searches by words (hybrid={how!r}), and collection {self._collection!r} has "
            f"no sparse vectors but {self.names[0]!r}, of a model that this store was not given."
        )

    def mistaken(self) -> CollectionMismatchError:
        """Return the error of who takes them for BM25's, which count how rare a word is."""
        return self._error(
            f"In collection {self._collection!r} sparse vectors {self.names[0]!r} are not BM25's, "
            "which count how rare a word is (Modifier.IDF). Nothing was done."
        )

    def _error(self, what: str) -> CollectionMismatchError:
        msg = (
            f"{what} {self._opening()} Or add BM25's beside them with: "
            f"{command('migrate', self._collection, '--sparse')}"
        )
        return CollectionMismatchError(
            msg, collection=self._collection, found=self.names, expected="sparse"
        )

    def _opening(self) -> str:
        name = f"sparse_vector_name={self.names[0]!r}"
        return (
            f"Open it with the model that computes them: sparse_embedding=... and {name} of "
            f"LangChain's store, sparse_doc_fn=..., sparse_query_fn=... and {name} of LlamaIndex's."
        )
