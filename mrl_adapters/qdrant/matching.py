"""Compare a collection with what the caller expects of it, and say what differs."""

from dataclasses import replace

from mrl_adapters import registry
from mrl_adapters.errors import CollectionMismatchError
from mrl_adapters.qdrant.commands import command
from mrl_adapters.qdrant.layout import CollectionLayout
from mrl_adapters.qdrant.payload_keys import AskedKeys, PayloadKeys
from mrl_adapters.vectors import Rotation


def check_layout(name: str, wanted: CollectionLayout, found: CollectionLayout) -> CollectionLayout:
    """Check an existing collection against what the caller asked for.

    Args:
        name: The collection's name, for messages.
        wanted: The caller's layout.
        found: The collection's own.

    Returns:
        The collection's layout with the caller's write options.

    Raises:
        CollectionMismatchError: They differ in size, distance, stages, model, reduction or
            rotation.
    """
    if wanted.dimensions != found.dimensions:
        msg = (
            f"Collection {name!r}: vector {found.full_name!r} has {found.dimensions} dimensions, "
            f"the layout asks for {wanted.dimensions}. Use the model that wrote it"
            f"{f' ({found.model})' if found.model else ''}, or another collection."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.dimensions, expected=wanted.dimensions
        )
    if wanted.distance != found.distance:
        msg = (
            f"Collection {name!r} compares by {found.distance}, the layout asks for "
            f"{wanted.distance}. Pass distance={found.distance!r}, or use another collection."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.distance, expected=wanted.distance
        )
    if not set(wanted.stages) <= set(found.stages):
        missing = [stage for stage in wanted.stages if stage not in found.stages]
        msg = (
            f"Collection {name!r} has stages {found.stages}, the layout asks for {wanted.stages}. "
            f"Pass stages={found.stages}, or run: {command('migrate', name, stages=missing)}"
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.stages, expected=wanted.stages
        )
    check_model(name, wanted.model, found.model)
    if wanted.model and found.model and wanted.reduction != found.reduction:
        msg = (
            f"Collection {name!r} was reduced by {found.reduction!r}, the layout asks for "
            f"{wanted.reduction!r}. Leave reduction out, or use another collection."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.reduction, expected=wanted.reduction
        )
    if isinstance(wanted.rotation, Rotation) and wanted.rotation != found.rotation:
        msg = (
            f"Collection {name!r} has {found.rotation or 'plain slices'}, the layout asks for "
            f"{wanted.rotation!r}. Leave rotation out to use what the collection has, or fit it "
            f"anew: {command('rotate', name, stages=found.stages)}"
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.rotation, expected=wanted.rotation
        )
    return replace(found, write_ordering=wanted.write_ordering)


def check_full_name(name: str, wanted: CollectionLayout, found: CollectionLayout) -> None:
    """Refuse to rank by another vector than the one that was asked for by name.

    Args:
        name: The collection's name, for messages.
        wanted: The caller's layout; a name that it leaves open is not compared.
        found: The collection's own.

    Raises:
        CollectionMismatchError: They name different ones.
    """
    if "full_name" in wanted.given and wanted.full_name != found.full_name:
        msg = (
            f"Collection {name!r}: its full vector is {found.full_name!r}, the layout asks for "
            f"{wanted.full_name!r}. Pass full_name={found.full_name!r}, or leave it out."
        )
        raise CollectionMismatchError(
            msg, collection=name, found=found.full_name, expected=wanted.full_name
        )


def check_model(name: str, model: str | None, found: str | None) -> None:
    """Refuse to mix two embedding models in one collection.

    Args:
        name: The collection's name, for messages.
        model: The model in use, None if it has no name.
        found: The collection's own, None if it is not known.

    Raises:
        CollectionMismatchError: Both are named, and differ.
    """
    if model and found and _canonical(model) != _canonical(found):
        msg = (
            f"Collection {name!r} is for vectors of {found!r}, this embedding is {model!r}: "
            "their vectors cannot be compared. Use the first model, or another collection."
        )
        raise CollectionMismatchError(msg, collection=name, found=found, expected=model)


def _canonical(model: str) -> str:
    """Resolve a model's aliases: frameworks and servers give the same weights several names."""
    spec = registry.find(model)
    return spec.name if spec else model


def check_keys(name: str, asked: AskedKeys, found: PayloadKeys) -> None:
    """Refuse payload keys that are not those of the collection.

    Args:
        name: The collection's name, for messages.
        asked: What the caller says.
        found: What the collection says.

    Raises:
        CollectionMismatchError: They differ.
    """
    for what, wanted, own in (
        ("texts", asked.content, found.content),
        ("metadata", asked.metadata, found.metadata),
    ):
        if wanted is not None and wanted != own:
            where = "beside the texts" if own is None else f"under {own!r}"
            other = "" if own is None else f", or pass {own!r}"
            msg = (
                f"Collection {name!r} keeps its {what} {where}, asked for {wanted!r}. Leave that "
                f"payload key out{other}; or use another collection."
            )
            raise CollectionMismatchError(msg, collection=name, found=own, expected=wanted)
