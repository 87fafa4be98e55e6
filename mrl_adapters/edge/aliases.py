"""Other names of collections, kept in one file beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qdrant_client import models

from mrl_adapters.edge.client_models import parsed
from mrl_adapters.edge.files import read_sealed, write_sealed
from mrl_adapters.edge.names import check_text
from mrl_adapters.edge.ownership import aliases_revision, mark_aliases
from mrl_adapters.edge.paths import may_write, refusal
from mrl_adapters.errors import ConfigurationError, EngineError

ALIASES_FILE = "aliases.json"

_WAYS_OUT = (
    "Restore it from a backup; or delete it, and mrl-adapters.json beside it, and create the "
    "aliases again."
)


class Aliases:
    """The collections that aliases lead to; the file is read when the first is asked for.

    An alias whose collection is gone leads nowhere and is shown nowhere: a process that is killed
    between deleting a collection and forgetting its aliases leaves such. It is dropped before
    another collection takes either name.
    """

    def __init__(self, path: Path, exists: Callable[[str], bool]) -> None:
        self._file = path / ALIASES_FILE
        self._exists = exists
        self._read: dict[str, str] | None = None
        self._revision = 0

    @property
    def noted(self) -> dict[str, str]:
        """All aliases with their collections, those that lead nowhere included."""
        if self._read is None:
            self._read = self._load()
        return self._read

    def _load(self) -> dict[str, str]:
        known = aliases_revision(self._file.parent)
        if not known and not self._file.exists():
            return {}
        try:
            content = read_sealed(self._file)
            aliases: dict[str, str] = content["aliases"]
            self._revision = content.get("revision", 0)
        except (EngineError, LookupError) as error:
            message = f"{self._file} is gone or damaged ({error}). {_WAYS_OUT}"
            raise EngineError(message, path=self._file) from error
        if self._revision < known:
            message = f"{self._file} is an older copy. {_WAYS_OUT}"
            raise EngineError(message, path=self._file, found=self._revision, expected=known)
        return aliases

    def described(self, collection_name: str | None = None) -> models.CollectionsAliasesResponse:
        """Describe all aliases, or those of one collection, as the client does."""
        return models.CollectionsAliasesResponse(
            aliases=[
                models.AliasDescription(alias_name=alias, collection_name=name)
                for alias, name in self._living().items()
                if collection_name in {None, name}
            ]
        )

    def _living(self) -> dict[str, str]:
        return {alias: name for alias, name in self.noted.items() if self._exists(name)}

    def target(self, alias: str) -> str | None:
        """Return the collection that an alias leads to; None if it is no alias."""
        name = self.noted.get(alias)
        return name if name is not None and self._exists(name) else None

    def change(self, operations: Sequence[Any]) -> None:
        """Create, rename and delete aliases: all of them, or none."""
        new = self._living()
        for given in operations:
            operation = parsed(models.AliasOperations, given) if isinstance(given, dict) else given
            if isinstance(operation, models.CreateAliasOperation):
                created = operation.create_alias
                if not self._exists(created.collection_name):
                    message = f"Collection {created.collection_name} not found"
                    raise ConfigurationError(message, collection=created.collection_name)
                self._check_free(created.alias_name)
                new[created.alias_name] = created.collection_name
            elif isinstance(operation, models.DeleteAliasOperation):
                new.pop(operation.delete_alias.alias_name, None)
            elif isinstance(operation, models.RenameAliasOperation):
                renamed = operation.rename_alias
                self._check_free(renamed.new_alias_name)
                if renamed.old_alias_name not in new:
                    message = f"Alias {renamed.old_alias_name} does not exist"
                    raise ConfigurationError(message, found=renamed.old_alias_name)
                new[renamed.new_alias_name] = new.pop(renamed.old_alias_name)
            else:
                message = (
                    f"{type(operation).__name__} is no change of aliases. Pass CreateAliasOperation"
                    ", RenameAliasOperation or DeleteAliasOperation of qdrant_client.models."
                )
                raise ConfigurationError(message, found=operation)
        self._save(new)

    def forget(self, name: str) -> None:
        """Drop aliases that lead to a collection, or bear its name."""
        self._save(
            {alias: target for alias, target in self.noted.items() if name not in (alias, target)}
        )

    def _check_free(self, alias: str) -> None:
        check_text(alias, "alias")
        if not alias:
            message = "The alias is empty. Give it a name."
            raise ConfigurationError(message)
        if self._exists(alias):
            message = f"Collection {alias} already exists"
            raise ConfigurationError(message, collection=alias)

    def _save(self, new: dict[str, str]) -> None:
        if new != self.noted:
            if not may_write(self._file.parent):
                raise refusal(self._file.parent)
            # The file first: it may be one ahead of the marker where a process died between them.
            self._revision += 1
            write_sealed(self._file, {"aliases": new, "revision": self._revision})
            mark_aliases(self._file.parent, self._revision)
            self._read = new
