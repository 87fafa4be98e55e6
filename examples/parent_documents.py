"""Small passages are found, whole documents are read: the best passages of each document."""

from itertools import groupby
from tempfile import TemporaryDirectory

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, connect

DOCUMENTS = {
    "shutil.md": "copytree copies a directory tree. rmtree deletes a tree. move moves a file.",
    "gzip.md": "open opens a compressed file. compress compresses bytes.",
    "pathlib.md": "Path.copy copies a file or a directory tree. Path.glob finds files by name.",
    "sched.md": "enter plans an event. run runs what is planned.",
}

with TemporaryDirectory() as folder, connect(path=folder) as client:
    embedder = WordLlamaEmbedder()
    # Groups are looked into by this field: an index makes that quick in large collections.
    indexes = {"metadata.source": "keyword"}
    layout = CollectionLayout(embedder.dimensions, (64,), payload_indexes=indexes)
    store = MatryoshkaVectorStore(client, "passages", embedder, layout=layout)
    passages = [
        (passage.strip(" .") + ".", source)
        for source, text in DOCUMENTS.items()
        for passage in text.split(". ")
    ]
    store.add_texts(
        [passage for passage, _ in passages],
        [{"source": source} for _, source in passages],
        ids=[str(number) for number in range(len(passages))],
    )

    # k counts documents; without group_by one of them could fill all places.
    retriever = MatryoshkaRetriever(vectorstore=store, k=2, group_by="source", group_size=2)
    found = retriever.invoke("copy a directory with all that is in it")
    for source, best in groupby(found, key=lambda passage: passage.metadata["source"]):
        print(f"{source}: {DOCUMENTS[source]}")
        for passage in best:
            print(f"  found by: {passage.page_content}")
