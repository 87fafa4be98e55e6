"""A LlamaIndex query engine over Markdown files, offline.

Run: python examples/llama_index_rag.py [FOLDER OR FILE [QUESTION]]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import MarkdownNodeParser

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.llama_index import MatryoshkaEmbedding, MatryoshkaVectorStore
from mrl_adapters.qdrant import connect

# Any LLM fits here, for instance llama_index.llms.openai.OpenAI(model="gpt-5-mini").
# MockLLM gives back the prompt: what a real one would have been told.
LLM = MockLLM()

place = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / ".github" / "docs")
question = " ".join(sys.argv[2:]) or "How do I filter by metadata?"
files = sorted(place.rglob("*.md")) if place.is_dir() else [place]
documents = [
    Document(text=file.read_text(encoding="utf-8"), metadata={"file": file.name}) for file in files
]

with TemporaryDirectory() as folder, connect(path=folder) as client:
    index = VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(
            vector_store=MatryoshkaVectorStore("files", client=client)
        ),
        embed_model=MatryoshkaEmbedding(WordLlamaEmbedder(), 256),
        transformations=[MarkdownNodeParser()],
    )
    answer = index.as_query_engine(llm=LLM, similarity_top_k=2).query(question)
    print(f"Question: {question}\n\nFound:")
    for node in answer.source_nodes:
        print(f"  {node.score:.3f} {node.metadata['file']}: {' '.join(node.text.split())[:90]}...")
    print(f"\nAnswer: {str(answer)[:300]}...")
