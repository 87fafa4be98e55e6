"""Sparse vectors that find words: BM25's weights, or those of a model that the caller brings.

They work on every engine, qdrant-client's local mode and servers of any age among them. BM25 needs
no model: a text's words are weighed in this process, as servers from 1.15.3 weigh them when asked
for "qdrant/bm25", and the collection multiplies in how rare each word is (the modifier "idf").
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from qdrant_client import models

from mrl_adapters.arguments import number
from mrl_adapters.edge import WordWeights
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.lexical import WordRules

BM25 = "qdrant/bm25"
"""What Qdrant calls it, its clients and servers alike."""
USUAL_NAMES = ("sparse", "langchain-sparse", "text-sparse-new", "text-sparse")
"""What this package's and the stock stores' sparse vectors are called."""

UNNAMED = "unnamed"
"""The model of an encoder that does not say what it is."""

_MOST = 1_000_000
_RULES = tuple(each.name for each in fields(WordRules))


@runtime_checkable
class SparseEncoder(Protocol):
    """What turns texts into sparse vectors; any SparseEmbeddings of langchain-qdrant is one.

    A sparse vector is anything that has ``indices`` (whole numbers, each once) and ``values`` (as
    many numbers).
    """

    def embed_documents(self, texts: list[str], /) -> Sequence[Any]:
        """Turn texts that are stored into one sparse vector each."""

    def embed_query(self, text: str, /) -> Any:
        """Turn a question into a sparse vector."""


@dataclass(frozen=True)
class SparseVectors(WordRules):
    """A sparse vector a point, computed from its text, and how.

    Args:
        language: Whose stop words are left out and whose endings are cut off; None keeps words as
            they are written, in any case of letters.
        stemmer: Whether endings are cut off ("indexes", "indexed" and "index" are one word).
        stopwords: Words to leave out in place of the language's own; () leaves out none.
        tokenizer: Where words end. "multilingual" parts languages without spaces too; "code" parts
            names in programs at capitals and underscores.
        ascii_folding: Whether letters lose their accents.
        k: How much more a word counts that a text repeats; 0 counts it once.
        b: How much less words of long texts count, from 0 (nothing) to 1.
        avg_len: Words of a usual text, from which on it is a long one.
        name: Name of the vector. One of the names that stores give by themselves also stands for
            another such name, or for the only sparse vector of a collection that exists.
        model: Name of what computes the weights, which an encoder may say itself; opening the
            collection with another is an error.
        encoder: What computes them in place of BM25: see :class:`SparseEncoder`. The options above
            are BM25's, and mean nothing beside it.
        idf: Whether the collection multiplies in how rare a word is. None does so for BM25, not
            for models, which have learned it.

    Raises:
        ConfigurationError: An option has a value outside its list or range, or the encoder is none.

    Source: https://qdrant.tech/documentation/concepts/vectors/#sparse-vectors
    """

    k: float = 1.2
    b: float = 0.75
    avg_len: float = 256.0
    name: str = USUAL_NAMES[0]
    model: str = ""
    encoder: SparseEncoder | None = field(default=None, compare=False, repr=False)
    idf: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be computed; name the model, and say whether rareness counts."""
        super().__post_init__()
        put = object.__setattr__
        whose = "SparseVectors' "
        put(self, "k", number(f"{whose}k", self.k, "a number from 0 on", 0, _MOST))
        put(self, "b", number(f"{whose}b", self.b, "a number from 0 to 1", 0, 1))
        expected = "a number of words from 1 on"
        put(self, "avg_len", number(f"{whose}avg_len", self.avg_len, expected, 1, _MOST))
        if not isinstance(self.name, str) or not self.name:
            msg = f"SparseVectors(name={self.name!r}): expected a name, such as 'sparse'."
            raise ConfigurationError(msg, found=self.name)
        if self.encoder is None:
            put(self, "model", self.model or BM25)
        elif not isinstance(self.encoder, SparseEncoder):
            expected = "an object with embed_documents(texts) and embed_query(text)"
            msg = f"SparseVectors(encoder={self.encoder!r}): expected {expected}."
            raise ConfigurationError(msg, found=self.encoder, expected=expected)
        else:
            put(self, "model", self.model or model_of(self.encoder) or UNNAMED)
        if self.idf is None:
            put(self, "idf", self.is_bm25)

    @property
    def is_bm25(self) -> bool:
        """Whether the weights are BM25's, whoever computes them."""
        return self.model.lower() == BM25

    @property
    def can_be_computed(self) -> bool:
        """Whether what computes the weights is at hand."""
        return self.encoder is not None or self.is_bm25

    def bm25(self) -> models.Bm25Config:
        """Build Qdrant's description of BM25."""
        return models.Bm25Config(
            k=self.k,
            b=self.b,
            avg_len=self.avg_len,
            tokenizer=models.TokenizerType(self.tokenizer),
            lowercase=True,
            ascii_folding=self.ascii_folding,
            stopwords=self.left_out() or models.StopwordsSet(custom=[]),
            stemmer=self.endings() or models.DisabledStemmerParams(type=models.NoStemmer.NONE),
        )

    def computed_by(self, collection_name: str) -> SparseEncoder:
        """Return what computes the weights.

        Raises:
            ConfigurationError: It is a model, and nobody has handed it over.
        """
        if self.encoder is not None:
            return self.encoder
        if not self.can_be_computed:
            msg = (
                f"Collection {collection_name!r}: its sparse vectors {self.name!r} are of "
                f"{self.model!r}, which is not at hand. Pass it: layout=CollectionLayout(..., "
                "sparse=SparseVectors(encoder=...)), or sparse_embedding= (LlamaIndex: "
                "sparse_doc_fn= and sparse_query_fn=)."
            )
            raise ConfigurationError(msg, collection=collection_name, found=self.model)
        return _bm25_of(self)

    def params(self) -> models.SparseVectorParams:
        """Build Qdrant's description of the vector."""
        return models.SparseVectorParams(modifier=self.modifier)

    def added(self) -> models.SparseVectorNameConfig:
        """Build Qdrant's description of the vector where it is added to a collection."""
        return models.SparseVectorNameConfig(
            sparse=models.SparseVectorConfig(modifier=self.modifier)
        )

    def settings_of_added(self) -> None:
        """Return what is to be set once it has been added: nothing."""

    def spelled(self) -> str:
        """Write it as a caller would who has its model."""
        return f"SparseVectors(name={self.name!r}, encoder=...)"

    @property
    def modifier(self) -> models.Modifier | None:
        """What the collection multiplies weights by."""
        return models.Modifier.IDF if self.idf else None

    def described(self) -> dict[str, Any]:
        """Return what is stored with the collection: BM25's options where these count."""
        plain = {"name": self.name, "model": self.model, "idf": self.idf}
        if self.encoder is not None or not self.is_bm25:
            return plain
        kept = {name: getattr(self, name) for name in (*_RULES, "k", "b", "avg_len")}
        return {**kept, **plain}

    @classmethod
    def by(cls, rules: WordRules) -> "SparseVectors":
        """Weigh words as another description cuts texts into them."""
        return cls(**{name: getattr(rules, name) for name in _RULES})

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "SparseVectors":
        """Read what was stored with a collection."""
        words = stored.get("stopwords")
        return cls(**{**stored, "stopwords": None if words is None else tuple(words)})


@lru_cache(maxsize=16)
def _bm25_of(sparse: SparseVectors) -> WordWeights:
    return WordWeights(sparse.bm25())


def model_of(encoder: object) -> str | None:
    """Return the name of an encoder's model, where it says: a fastembed model's, for one."""
    inner = getattr(encoder, "_model", None)
    for holder in (encoder, inner, getattr(inner, "model", None)):
        if isinstance(name := getattr(holder, "model_name", None), str):
            return name
    return None


def stored_sparse(stored: Mapping[str, Any], present: Collection[str]) -> SparseVectors | None:
    """Read the sparse vector that a collection says it is searched by; None if it has none.

    Args:
        stored: What the collection says of itself.
        present: Names of its sparse vectors.
    """
    said = stored.get("sparse")
    return SparseVectors.from_stored(said) if said and said["name"] in present else None
