"""Say which collections there are, where one is missing."""

from mrl_adapters.qdrant.commands import place_of
from mrl_adapters.qdrant.companion import companion_name
from mrl_adapters.qdrant.flow import CLIENT, Flow, ask, is_forbidden

_TOLD = 5


def those_there() -> Flow[str]:
    """Return the end of a sentence, without its stop, that names the collections that there are.

    It is empty where the key is for one collection, and may not list them.
    """
    try:
        listed = yield from ask(lambda c: c.get_collections())
    except Exception as error:
        if is_forbidden(error):
            return ""
        raise
    found = {each.name for each in listed.collections}
    names = sorted(found - {companion_name(each) for each in found})
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    place = place_of(CLIENT.get())
    where = f" in {place}" if place else ""
    return f"; there is {', '.join(names[:_TOLD]) or 'none'}{more}{where}"
