"""Five texts with vectors of no meaning, as LangChain's documents and as LlamaIndex's nodes."""

import json
from typing import Any

import numpy as np

SIZE = 16
TEXTS = ["a running fox", "lazy dogs", "the dog runs", "stones", "foxes and dogs and stones"]


def vectors(count: int = len(TEXTS)) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, SIZE)).astype(np.float32)


def documents() -> list[dict[str, Any]]:
    return [{"page_content": text, "metadata": {"n": n}} for n, text in enumerate(TEXTS)]


def nodes() -> list[dict[str, Any]]:
    return [{"_node_content": json.dumps({"text": text, "metadata": {}})} for text in TEXTS]
