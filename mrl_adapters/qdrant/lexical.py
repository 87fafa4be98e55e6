"""What finds words: a text index that ranks by BM25, or sparse vectors.

Both belong to a collection's layout. A text index is made by the engine from texts that stand in
the payload (the embedded engine, servers from 1.20); sparse vectors are stored beside the dense
ones, by whoever embeds, or made by a server from the text.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from qdrant_client import models

from mrl_adapters.arguments import refuse_others
from mrl_adapters.errors import ConfigurationError

Tokenizer: TypeAlias = Literal["word", "whitespace", "prefix", "multilingual", "code"]

_STEMMED = tuple(language.value for language in models.SnowballLanguage)
_LANGUAGES = tuple(language.value for language in models.Language)


@dataclass(frozen=True)
class WordRules:
    """How texts are cut into words.

    Args:
        language: Whose stop words are left out and whose endings are cut off; None keeps words as
            they are written, in any case of letters.
        stemmer: Whether endings are cut off ("indexes", "indexed" and "index" are one word).
        stopwords: Words to leave out in place of the language's own; () leaves out none.
        tokenizer: Where words end. "multilingual" parts languages without spaces too; "code" parts
            names in programs at capitals and underscores.
        ascii_folding: Whether letters lose their accents.

    Raises:
        ConfigurationError: An option has a value outside its list.
    """

    language: str | None = "english"
    stemmer: bool = True
    stopwords: tuple[str, ...] | None = None
    tokenizer: Tokenizer = "word"
    ascii_folding: bool = False

    def __post_init__(self) -> None:
        """Refuse what the engine does not know."""
        whose = type(self).__name__
        choice = partial(refuse_others, whose=whose)
        known = tuple(sorted({*_LANGUAGES, *_STEMMED}))
        choice("language", self.language, (*known, None))
        choice("tokenizer", self.tokenizer, get_args(Tokenizer))
        for name in ("stemmer", "ascii_folding"):
            choice(name, getattr(self, name), (True, False))
        if self.stopwords is not None:
            words: Any = self.stopwords
            if isinstance(words, str) or not all(isinstance(each, str) for each in words):
                msg = f"{whose}(stopwords={words!r}): expected words in a tuple."
                raise ConfigurationError(msg, found=words)
            object.__setattr__(self, "stopwords", tuple(words))
        # What the language cannot do is as good as not asked for.
        if self.language not in _STEMMED:
            object.__setattr__(self, "stemmer", False)
        if self.stopwords is None and self.language not in _LANGUAGES:
            object.__setattr__(self, "stopwords", ())

    def left_out(self) -> models.Language | models.StopwordsSet | None:
        """Build Qdrant's description of the words that are left out; None for none."""
        if self.stopwords is None:
            return models.Language(self.language)
        return models.StopwordsSet(custom=list(self.stopwords)) if self.stopwords else None

    def endings(self) -> models.SnowballParams | None:
        """Build Qdrant's description of how endings are cut off; None where they are not."""
        if not self.stemmer:
            return None
        language = models.SnowballLanguage(self.language)
        return models.SnowballParams(type=models.Snowball.SNOWBALL, language=language)


@dataclass(frozen=True)
class TextIndex(WordRules):
    """How the texts of a collection are cut into words and ranked by BM25.

    Args:
        language: Whose stop words are left out and whose endings are cut off; None keeps words as
            they are written, in any case of letters.
        stemmer: Whether endings are cut off ("indexes", "indexed" and "index" are one word).
        stopwords: Words to leave out in place of the language's own; () leaves out none.
        tokenizer: Where words end. "multilingual" parts languages without spaces too; "code" parts
            names in programs at capitals and underscores.
        ascii_folding: Whether letters lose their accents.
        field: Payload field that is indexed; None takes where the store keeps its texts.

    Raises:
        ConfigurationError: An option has a value outside its list.

    Source: https://qdrant.tech/documentation/concepts/indexing/#full-text-index
    """

    field: str | None = None

    def params(self) -> models.TextIndexParams:
        """Build Qdrant's description of the index."""
        return models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType(self.tokenizer),
            lowercase=True,
            ascii_folding=self.ascii_folding or None,
            stopwords=self.left_out(),
            stemmer=self.endings(),
            scoring=True,
        )

    @classmethod
    def of(cls, field: str, params: Any) -> "TextIndex | None":
        """Read a payload index; None if it does not rank by BM25.

        Args:
            field: The payload field.
            params: The index's parameters as the engine gives them.
        """
        if not isinstance(params, models.TextIndexParams) or not params.scoring:
            return None
        stemmer = getattr(params.stemmer, "language", None)
        language = None if stemmer is None else models.SnowballLanguage(stemmer).value
        stopwords: tuple[str, ...] | None = ()
        if isinstance(params.stopwords, models.StopwordsSet):
            languages = params.stopwords.languages or []
            stopwords = tuple(params.stopwords.custom or ())
            if len(languages) == 1 and not stopwords:
                language, stopwords = language or languages[0].value, None
        elif params.stopwords is not None:
            language = language or models.Language(params.stopwords).value
            stopwords = None
        return cls(
            language=language,
            stemmer=stemmer is not None,
            stopwords=stopwords,
            tokenizer=(params.tokenizer or models.TokenizerType.WORD).value,
            ascii_folding=bool(params.ascii_folding),
            field=field,
        )

    def described(self) -> dict[str, Any]:
        """Return what is stored with the collection."""
        return asdict(self)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "TextIndex":
        """Read what was stored with a collection."""
        words = stored.get("stopwords")
        return cls(**{**stored, "stopwords": None if words is None else tuple(words)})

    def on(self, field: str) -> "TextIndex":
        """Return this index on a payload field, unless it names one."""
        return self if self.field is not None else replace(self, field=field)
