"""The methods of `EdgeClient` that concern other names of collections."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.opened import OpenPath
from mrl_adapters.edge.parsing import refuse_unknown


class Aliasing(OpenPath):
    """Name collections otherwise. Parameters are those of QdrantClient; `timeout` means nothing.

    Every method that takes a collection's name takes an alias, but for `create_collection` and
    `delete_collection`, which take the collection's own.
    """

    def update_collection_aliases(
        self,
        change_aliases_operations: Sequence[models.AliasOperations],
        timeout: int | None = None,
        **kwargs: Any,
    ) -> bool:
        """Create, rename and delete aliases, all at once: nobody sees a part of it.

        Returns:
            True.

        Raises:
            ValueError: One of them cannot be; none is done.
        """
        del timeout
        refuse_unknown(kwargs)
        self._opened()
        with self._lock:
            self._aliases.change(change_aliases_operations)
        return True

    def get_aliases(self, **kwargs: Any) -> models.CollectionsAliasesResponse:
        """List all aliases, with their collections."""
        refuse_unknown(kwargs)
        self._opened()
        return _described(self._aliases.living())

    def get_collection_aliases(
        self, collection_name: str, **kwargs: Any
    ) -> models.CollectionsAliasesResponse:
        """List the aliases of a collection."""
        refuse_unknown(kwargs)
        self._opened()
        living = self._aliases.living()
        return _described(
            {alias: name for alias, name in living.items() if name == collection_name}
        )


def _described(aliases: Mapping[str, str]) -> models.CollectionsAliasesResponse:
    return models.CollectionsAliasesResponse(
        aliases=[
            models.AliasDescription(alias_name=alias, collection_name=name)
            for alias, name in aliases.items()
        ]
    )
