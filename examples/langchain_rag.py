"""Retrieval-augmented answers with LangChain: retriever | prompt | model, offline.

Run: python examples/langchain_rag.py
"""

from tempfile import TemporaryDirectory

from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaRetriever, MatryoshkaVectorStore
from mrl_adapters.qdrant import connect

DOCUMENTS = [
    Document(
        page_content="shutil.copytree copies a directory tree.", metadata={"module": "shutil"}
    ),
    Document(page_content="shutil.rmtree deletes a directory tree.", metadata={"module": "shutil"}),
    Document(page_content="gzip.open opens a compressed file.", metadata={"module": "gzip"}),
    Document(
        page_content="heapq.nsmallest gives the smallest items.", metadata={"module": "heapq"}
    ),
]

PROMPT = ChatPromptTemplate.from_template(
    "Answer from the context alone.\n\nContext:\n{context}\n\nQuestion: {question}"
)

# Any chat model fits here, for instance langchain_openai.ChatOpenAI(model="gpt-5-mini").
LLM = FakeListChatModel(responses=["Use shutil.copytree."])


def join(documents: list[Document]) -> str:
    """Put the documents found under each other."""
    return "\n".join(document.page_content for document in documents)


with TemporaryDirectory() as folder, connect(path=folder) as client:
    store = MatryoshkaVectorStore(client, "docs", WordLlamaEmbedder())
    store.add_documents(DOCUMENTS)

    retriever = MatryoshkaRetriever(vectorstore=store, k=2)
    question = "How do I copy a folder with all its files?"
    print(f"Question: {question}\n\nFound:\n{join(retriever.invoke(question))}")

    chain = (
        {"context": retriever | join, "question": RunnablePassthrough()}
        | PROMPT
        | LLM
        | StrOutputParser()
    )
    print(f"\nAnswer: {chain.invoke(question)}")
