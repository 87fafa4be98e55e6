"""Every error that this package raises by itself.

    MRLError
    ├── MissingExtraError (ImportError)    an optional dependency is not installed
    ├── UnknownModelError (LookupError)    a name that the registry does not hold
    ├── ConfigurationError (ValueError)    an option that cannot be used as given
    │   └── DimensionsError                a size that does not fit the vectors or the model
    ├── EmbeddingError (ValueError)        an embedding that must not be stored or searched with
    ├── CollectionMismatchError            a collection that is not what the caller expects
    ├── EngineError (RuntimeError)         the embedded engine: path locked, client closed
    └── MigrationError                     a migration that cannot start or go on

Errors of the openai and qdrant clients (transport, status codes) pass through unwrapped.
"""


class MRLError(Exception):
    """Base of every error that this package raises by itself."""


class MissingExtraError(MRLError, ImportError):
    """Report an optional dependency that is not installed.

    Args:
        package: The package that could not be imported.
        extra: The extra of mrl-adapters that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        """Compose the message from what is missing and what installs it."""
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is not installed. Run: pip install 'mrl-adapters[{extra}]'")


class UnknownModelError(MRLError, LookupError):
    """Report a model name that the registry does not hold."""


class ConfigurationError(MRLError, ValueError):
    """Report an option that cannot be used as given."""


class DimensionsError(ConfigurationError):
    """Report a size that does not fit the vectors or the model."""


class EmbeddingError(MRLError, ValueError):
    """Report an embedding that must not be stored or searched with."""


class CollectionMismatchError(MRLError):
    """Report a collection that is not what the caller expects."""


class EngineError(MRLError, RuntimeError):
    """Report that the embedded engine cannot be used: path locked, client closed."""


class MigrationError(MRLError):
    """Report a migration that cannot start or go on."""
