"""More like this, through the LangChain store."""

import pytest

from mrl_adapters.embeddings import WordLlamaTokens
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, SparseVectors, TokenVectors


def ids(documents) -> list[str]:
    return [document.id for document in documents]


async def test_what_is_found_is_like_the_examples_and_none_of_them(store, vectors):
    expected = [
        name for name in ids(store.similarity_search_by_vector(vectors["a"], k=6)) if name != "a"
    ]
    assert ids(store.more_like_this(["a"], k=9)) == expected
    assert ids(await store.amore_like_this(["a"], k=2)) == expected[:2]
    scored = store.more_like_this_with_score(["a"], k=1, filter={"n": [1, 4]}, score_key="score")
    [(document, score)] = scored
    assert document.id in {"b", "e"}
    assert document.metadata["score"] == score
    assert await store.amore_like_this_with_score(["a"], 1, filter={"n": [1, 4]}) != []


def test_negatives_push_away(store):
    plain = ids(store.more_like_this(["a"], k=9))
    pushed = ids(store.more_like_this(["a"], k=9, negative=[plain[0]]))
    assert sorted(pushed) == sorted(plain[1:])
    assert ids(store.more_like_this(["a"], k=2, lambda_mult=0.4))[0] == plain[0]
    assert len(store.more_like_this(["a"], k=2, group_by="n", group_size=1)) == 2


def test_what_does_not_exist_is_refused(store):
    with pytest.raises(ConfigurationError, match="no option 'top_k'"):
        store.more_like_this(["a"], top_k=3)
    with pytest.raises(ConfigurationError, match="holds no document 'z'"):
        store.more_like_this(["z"])


def test_another_tenants_documents_are_no_examples(client, embeddings):
    if not hasattr(client, "path"):
        pytest.skip("the local mode has no tenants")
    layout = CollectionLayout(256, (64,), tenant_field="user")
    store = MatryoshkaVectorStore(client, "shared", embeddings, layout=layout)
    ada, bob = store.for_tenant("ada"), store.for_tenant("bob")
    ada.add_texts(["copy a file", "copy a folder"], ids=["a", "b"])
    bob.add_texts(["copy a disk"], ids=["c"])
    assert ids(ada.more_like_this(["a"])) == ["b"]
    with pytest.raises(ConfigurationError, match="holds no document 'c'"):
        ada.more_like_this(["c"])


@pytest.mark.parametrize("own", [{"hybrid": "rrf"}, {"hybrid": "lexical"}, {"hybrid": "rescore"}])
async def test_words_have_no_part_in_it_and_a_call_that_asks_for_them_is_refused(
    client, embeddings, own
):
    tokens = TokenVectors("tokens", 256, encoder=WordLlamaTokens())
    layout = CollectionLayout(256, (64,), sparse=SparseVectors(), late_interaction=tokens)
    plans = [None, own, {"late_interaction": True}]
    stores = [
        MatryoshkaVectorStore(client, "docs", embeddings, layout=layout, plan=plan)
        for plan in plans
    ]
    stores[0].add_texts(["copy a file", "copy a folder", "delete it"], ids=[*"abc"])
    assert [ids(store.more_like_this(["a"])) for store in stores] == [["b", "c"]] * len(plans)
    with pytest.raises(ConfigurationError, match="has no text"):
        stores[0].more_like_this(["a"], plan=own)
    with pytest.raises(ConfigurationError, match=r"late interaction.*has no text"):
        await stores[0].amore_like_this(["a"], plan={"late_interaction": True})
