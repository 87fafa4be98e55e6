"""Say that a collection is not there, and which are."""

from mrl_adapters.qdrant.commands import place_of
from mrl_adapters.qdrant.companion import companion_name
from mrl_adapters.qdrant.flow import CLIENT, Flow, ask, is_forbidden

_TOLD = 5


def not_there(name: str) -> Flow[str]:
    """Return a sentence, without its stop, that names the collections that there are.

    Args:
        name: The collection that was looked for.
    """
    told = f"Collection {name!r} does not exist"
    try:
        listed = yield from ask(lambda c: c.get_collections())
    except Exception as error:
        if is_forbidden(error):  # the key is for one collection
            return told
        raise
    place = place_of(CLIENT.get())
    where = f" in {place}" if place else ""
    found = {each.name for each in listed.collections}
    names = sorted(found - {companion_name(each) for each in found})
    if not names:
        return f"{told}; there is none{where}"
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return f"{told}; there is {', '.join(names[:_TOLD])}{more}{where}"
