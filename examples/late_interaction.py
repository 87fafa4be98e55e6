"""Late interaction: token vectors rank what two stages have found, in the same request.

Run: python examples/late_interaction.py (needs the extras langchain and static)

The tokens are those of the model that wordllama carries, so that nothing is downloaded. It is no
ColBERT: what loads one, fastembed's LateInteractionTextEmbedding say, is passed in its place.
"""

from tempfile import TemporaryDirectory

from mrl_adapters.embeddings import WordLlamaEmbedder, WordLlamaTokens
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, TokenVectors

TEXTS = [
    "Minutes of the meeting: the roof leaks, the choir sings, invoices are kept for ten years.",
    "Invoices are sent monthly.",
    "Long walks are kept short in winter.",
    "How long the meeting takes.",
]
QUESTION = "how long are invoices kept?"


def main() -> None:
    """Rank by the mean of all tokens, then token by token."""
    tokens = TokenVectors("colbert", 256, encoder=WordLlamaTokens())
    layout = CollectionLayout(256, (64,), late_interaction=tokens)
    with (
        TemporaryDirectory() as folder,
        MatryoshkaVectorStore.from_texts(
            TEXTS, WordLlamaEmbedder(), path=folder, layout=layout
        ) as store,
    ):
        for plan in ({}, {"late_interaction": True}):
            [(found, score)] = store.similarity_search_with_score(QUESTION, k=1, plan=plan)
            print(f"{score:.2f} {found.page_content}")


if __name__ == "__main__":
    main()
