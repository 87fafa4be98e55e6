"""More like this, through the LlamaIndex store."""

import pytest
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery

from mrl_adapters.errors import ConfigurationError


def test_what_is_found_is_like_the_examples_and_none_of_them(store, nodes, call):
    query = VectorStoreQuery(query_embedding=nodes[0].embedding, similarity_top_k=6)
    expected = [name for name in store.query(query).ids if name != "a"]
    found = call(store, "more_like_this", ["a"], 9)
    assert found.ids == expected
    assert len(found.similarities) == 5
    even = MetadataFilters(filters=[MetadataFilter(key="even", value=1)])
    assert sorted(call(store, "more_like_this", ["a"], filters=even).ids) == ["c", "e"]
    pushed = call(store, "more_like_this", ["a"], 9, negative=expected[:1]).ids
    assert sorted(pushed) == sorted(expected[1:])
    assert len(call(store, "more_like_this", ["a"], 2, exact=True).ids) == 2
    assert len(call(store, "more_like_this", ["a"], 2, group_by="n", group_size=1).ids) == 2


def test_what_does_not_exist_is_refused(store, call):
    with pytest.raises(ConfigurationError, match="no option 'top_k'"):
        call(store, "more_like_this", ["a"], top_k=3)
    with pytest.raises(ConfigurationError, match="holds no document 'z'"):
        call(store, "more_like_this", ["z"])
