"""Keep tenants apart in one collection: none finds, reads or deletes another's documents."""

import tempfile

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

with tempfile.TemporaryDirectory() as folder:
    embedder = WordLlamaEmbedder()
    layout = CollectionLayout(embedder.dimensions, (64,), tenant_field="user")
    store = MatryoshkaVectorStore(connect(path=folder), "docs", embedder, layout=layout)

    ada, bob = store.for_tenant("ada"), store.for_tenant("bob")
    ada.add_texts(["The engine weaves algebraic patterns."], ids=["ada/1"])
    bob.add_texts(["The engine needs oil.", "Bread takes three hours."], ids=["bob/1", "bob/2"])

    # Whatever a filter says, the tenant's own condition stands outside of it.
    wide = {"$or": [{"user": "bob"}, {"user": "ada"}]}
    retriever = MatryoshkaRetriever(vectorstore=ada, k=3, filter=wide)
    for document in retriever.invoke("What does the engine do?"):
        print("ada finds:", document.page_content)

    print("ada reads bob/1:", ada.get_by_ids(["bob/1"]))
    ada.delete(["bob/1"])
    print("bob still has:", [document.id for document in bob.get_by_ids(["bob/1", "bob/2"])])
    store.client.close()
