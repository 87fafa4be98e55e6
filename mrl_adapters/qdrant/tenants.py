"""The wall between the tenants of one collection.

A layout's ``tenant_field`` names the metadata that tell whose a document is. Seen through one
tenant's scope nobody else's documents are there: the tenant's condition stands outside of whatever
filter a caller gives, ids reach the tenant's own documents alone, and what is written bears the
tenant's name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qdrant_client import models

from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.filters import admitted
from mrl_adapters.qdrant.filters.keys import written
from mrl_adapters.qdrant.flow import Flow, ask
from mrl_adapters.qdrant.ids import original_id
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.plan import SearchPlan
from mrl_adapters.qdrant.query import Search
from mrl_adapters.qdrant.reading import every_id


@dataclass(frozen=True)
class Scope:
    """Whose documents are seen.

    Args:
        tenant: The tenant; None sees all documents, where that is allowed.
        all_tenants: Whether searches may go through the documents of all tenants.
    """

    tenant: str | None = None
    all_tenants: bool = False

    def within(
        self, name: str, layout: CollectionLayout, given: models.Filter | None
    ) -> models.Filter | None:
        """Restrict a filter, already checked, to the tenant's documents."""
        if self.tenant is None:
            return given
        match = models.MatchValue(value=self.tenant)
        own = models.FieldCondition(key=tenant_path(name, layout), match=match)
        return models.Filter(must=[own] if given is None else [own, given])

    def search_filter(
        self, name: str, layout: CollectionLayout, given: models.Filter | None
    ) -> models.Filter | None:
        """Restrict a search's filter; refuse a search through all tenants that nobody asked for.

        Raises:
            ConfigurationError: The collection has tenants, and the search names none.
        """
        checked = admitted(given)
        if layout.tenant_field is None or self.tenant is not None:
            return self.within(name, layout, checked)
        if not (self.all_tenants or names_tenant(layout, checked)):
            msg = (
                f"Collection {name!r} keeps tenants apart by {layout.tenant_field!r}, and this "
                "search names none. Search by store.for_tenant('...'), or make the store with "
                "all_tenants=True to search the documents of all."
            )
            raise ConfigurationError(msg, expected=layout.tenant_field)
        return checked

    def restricted(
        self, name: str, layout: CollectionLayout, searches: Sequence[Search], plan: SearchPlan
    ) -> tuple[Sequence[Search], SearchPlan]:
        """Restrict searches to the tenant; through those of all no graph leads."""
        if layout.tenant_field is None and self.tenant is None:
            return searches, plan
        filters = [self.search_filter(name, layout, search.query_filter) for search in searches]
        if not all(names_tenant(layout, each) for each in filters):
            plan = plan.merge({"exact": True})
        pairs = zip(searches, filters, strict=True)
        return [replace(search, query_filter=each) for search, each in pairs], plan

    def stamp(
        self,
        name: str,
        layout: CollectionLayout,
        payloads: Sequence[dict[str, Any]],
        owners: Sequence[str],
    ) -> Sequence[dict[str, Any]]:
        """Write the tenant into payloads that are about to be stored.

        Raises:
            ConfigurationError: One of them says that it is another tenant's.
        """
        if self.tenant is None:
            return payloads
        steps = _steps(tenant_path(name, layout))
        pairs = zip(payloads, owners, strict=True)
        return [self._stamped(payload, steps, owner) for payload, owner in pairs]

    def _stamped(self, payload: dict[str, Any], steps: Sequence[str], owner: str) -> dict[str, Any]:
        said = _at(payload, steps)
        if said is not None and said != self.tenant:
            msg = (
                f"{owner[:1].upper()}{owner[1:]} says {'.'.join(steps)} = {said!r}, and is added "
                f"for tenant {self.tenant!r}. Leave it out, or add it for its own tenant. Nothing "
                "of it was written."
            )
            raise ConfigurationError(msg, found=said, expected=self.tenant)
        stamped = inner = dict(payload)
        for step in steps[:-1]:
            held = inner.get(step)
            inner[step] = dict(held) if isinstance(held, Mapping) else {}
            inner = inner[step]
        inner[steps[-1]] = self.tenant
        return stamped

    def refuse_others(
        self, name: str, layout: CollectionLayout, texts: Sequence[str]
    ) -> Flow[None]:
        """Refuse to write documents under ids that another tenant's documents have.

        Raises:
            ConfigurationError: There is such an id.
        """
        if self.tenant is None:
            return
        ids = every_id(texts)
        records = yield from ask(
            lambda c: c.retrieve(name, ids=ids, with_payload=True, with_vectors=False)
        )
        if taken := [record for record in records if not self.owns(name, layout, record)]:
            names = sorted(original_id(record.id, record.payload) for record in taken)
            msg = (
                f"Collection {name!r}: the id {names[0]!r} is that of a document which does not "
                f"belong to tenant {self.tenant!r}. Nothing was written. Ids are shared by all "
                "tenants: begin them with the tenant's name."
            )
            raise ConfigurationError(msg, found=names)

    def owns(self, name: str, layout: CollectionLayout, record: models.Record) -> bool:
        """Return whether a point is seen."""
        if self.tenant is None:
            return True
        said = _at(record.payload or {}, _steps(tenant_path(name, layout)))
        return said == self.tenant or (isinstance(said, list) and self.tenant in said)


def checked_tenant(tenant: object) -> str:
    """Refuse a tenant's name that no keyword index finds."""
    if not isinstance(tenant, str) or not tenant:
        msg = (
            f"for_tenant() got {tenant!r}, expected a tenant's name as text. Numbers are written "
            "as text in the documents' metadata, too."
        )
        raise ConfigurationError(msg, found=tenant, expected=str)
    return tenant


def tenant_path(name: str, layout: CollectionLayout) -> str:
    """Return the payload path of the tenants' names.

    Raises:
        ConfigurationError: The collection has no tenants.
    """
    if layout.tenant_field is None:
        msg = (
            f"Collection {name!r} has no tenants: its layout names no field that tells them apart. "
            "Make it with CollectionLayout(..., tenant_field='...')."
        )
        raise ConfigurationError(msg, found=None, expected="tenant_field")
    return layout.tenant_field


def with_tenant_path(layout: CollectionLayout, metadata_key: str | None) -> CollectionLayout:
    """Let a layout's ``tenant_field`` be the path that the metadata have in payloads.

    Args:
        layout: The layout.
        metadata_key: What metadata stand under; None where they stand at the top.
    """
    field = layout.tenant_field
    if field is None or metadata_key is None or field.startswith(f"{written(metadata_key)}."):
        return layout
    return layout.placed(tenant_field=f"{written(metadata_key)}.{field}")


def names_tenant(layout: CollectionLayout, given: models.Filter | None) -> bool:
    """Return whether a filter holds for documents of some named tenants alone."""
    must = given.must if given is not None else None
    conditions: list[Any] = must if isinstance(must, list) else [] if must is None else [must]
    return any(
        names_tenant(layout, each)
        if isinstance(each, models.Filter)
        else isinstance(each, models.FieldCondition)
        and each.key == layout.tenant_field
        and isinstance(each.match, models.MatchValue | models.MatchAny)
        for each in conditions
    )


def _steps(path: str) -> list[str]:
    return [step.strip('"') for step in path.split(".")]


def _at(payload: Mapping[str, Any], steps: Sequence[str]) -> Any:
    value: Any = payload
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
