"""Token vectors: many vectors a point, by which late interaction ranks a shortlist anew.

A late-interaction model (ColBERT and its like) gives each token of a text a vector. A text's score
is the sum, over the question's tokens, of the best match among the text's (MaxSim). That tells more
than one vector a text, and costs as much more; so it ranks only what the full vectors have found.

Source: Khattab and Zaharia, "ColBERT: efficient and effective passage search via contextualized
late interaction over BERT", SIGIR 2020; https://qdrant.tech/documentation/concepts/vectors/#multivectors
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

from numpy.typing import ArrayLike
from qdrant_client import models

from mrl_adapters.arguments import refuse_others, whole
from mrl_adapters.errors import ConfigurationError
from mrl_adapters.qdrant.sparse import UNNAMED, model_of

TokenDistance: TypeAlias = Literal["Cosine", "Dot"]


@runtime_checkable
class TokenEncoder(Protocol):
    """What turns texts into token vectors."""

    def embed_documents(self, texts: list[str], /) -> Sequence[ArrayLike]:
        """Turn texts that are stored into one array of shape (tokens, dimensions) each."""

    def embed_query(self, text: str, /) -> ArrayLike:
        """Turn a question into an array of shape (tokens, dimensions)."""


@dataclass(frozen=True)
class TokenVectors:
    """Token vectors beside a point's full vector, computed from its text, and by what.

    They are kept on disk as float16 and have no graph, since they only rank what others found.

    Args:
        name: Name of the multivector in Qdrant, such as "colbert".
        dimensions: Size of one token's vector.
        encoder: What computes them: see :class:`TokenEncoder`. Without it such a collection is
            searched by its other vectors, and writing to it is an error.
        distance: How two tokens are compared: Cosine, or Dot, where a vector's length tells how
            much its token counts.
        model: Name of what computes them, which an encoder may say itself; opening the collection
            with another is an error.

    Raises:
        ConfigurationError: An option has a value outside its list or range, or the encoder is none.
    """

    name: str
    dimensions: int
    encoder: TokenEncoder | None = field(default=None, compare=False, repr=False)
    distance: TokenDistance = "Cosine"
    model: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be computed; name the model."""
        if not isinstance(self.name, str) or not self.name:
            msg = f"TokenVectors(name={self.name!r}): expected a name, such as 'colbert'."
            raise ConfigurationError(msg, found=self.name)
        object.__setattr__(self, "dimensions", whole("TokenVectors' dimensions", self.dimensions))
        refuse_others("distance", self.distance, get_args(TokenDistance), whose="TokenVectors")
        if self.encoder is not None and not isinstance(self.encoder, TokenEncoder):
            expected = "an object with embed_documents(texts) and embed_query(text)"
            msg = f"TokenVectors(encoder={self.encoder!r}): expected {expected}."
            raise ConfigurationError(msg, found=self.encoder, expected=expected)
        named = self.model or model_of(self.encoder) or UNNAMED
        object.__setattr__(self, "model", named)

    @property
    def can_be_computed(self) -> bool:
        """Whether what computes them is at hand."""
        return self.encoder is not None

    def computed_by(self, collection_name: str) -> TokenEncoder:
        """Return what computes them.

        Raises:
            ConfigurationError: Nobody has handed it over.
        """
        if self.encoder is None:
            msg = (
                f"Collection {collection_name!r}: its token vectors {self.name!r} are of "
                f"{self.model!r}, which is not at hand. Pass it: layout=CollectionLayout(..., "
                f"late_interaction={self.spelled()})."
            )
            raise ConfigurationError(msg, collection=collection_name, found=self.model)
        return self.encoder

    def params(self) -> models.VectorParams:
        """Build Qdrant's description of the vector."""
        return models.VectorParams(
            size=self.dimensions,
            distance=models.Distance(self.distance),
            multivector_config=models.MultiVectorConfig(
                comparator=models.MultiVectorComparator.MAX_SIM
            ),
            hnsw_config=models.HnswConfigDiff(m=0),
            datatype=models.Datatype.FLOAT16,
            on_disk=True,
        )

    def added(self) -> models.DenseVectorNameConfig:
        """Build Qdrant's description of the vector where it is added to a collection."""
        params = self.params()
        vector = models.DenseVectorConfig(
            size=params.size,
            distance=params.distance,
            multivector_config=params.multivector_config,
            datatype=models.VectorStorageDatatype.FLOAT16,
        )
        return models.DenseVectorNameConfig(dense=vector)

    def settings_of_added(self) -> models.VectorParamsDiff:
        """Return what is to be set once it has been added: no graph, on disk."""
        params = self.params()
        return models.VectorParamsDiff(hnsw_config=params.hnsw_config, on_disk=params.on_disk)

    def spelled(self) -> str:
        """Write it as a caller would who has its model."""
        distance = "" if self.distance == "Cosine" else f", distance={self.distance!r}"
        return f"TokenVectors({self.name!r}, {self.dimensions}, encoder=...{distance})"

    def described(self) -> dict[str, Any]:
        """Return what is stored with the collection."""
        return {"name": self.name, "model": self.model}


def stored_tokens(
    stored: Mapping[str, Any], present: Mapping[str, models.VectorParams]
) -> TokenVectors | None:
    """Read the token vectors that a collection says it is ranked by; None if it has none.

    Args:
        stored: What the collection says of itself.
        present: Its dense vectors.
    """
    said: Mapping[str, str] | None = stored.get("late_interaction")
    if said is None or (params := present.get(said["name"])) is None:
        return None
    distance: Any = params.distance.value
    return TokenVectors(said["name"], params.size, distance=distance, model=said["model"])
