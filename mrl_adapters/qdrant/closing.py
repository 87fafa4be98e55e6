"""What a store of either framework has to let go of its clients."""

from types import TracebackType

from typing_extensions import Self

from mrl_adapters.qdrant.driver import Driver


class ClosingStore:
    """A store as a context manager, sync and async; the block's end closes its clients.

    Closing an embedded engine frees its folder for other processes. Other stores on the same
    client can do no more either, whoever made the client.
    """

    _driver: Driver

    @property
    def driver(self) -> Driver:
        """What runs the collection's flows on the client."""
        return self._driver

    def close(self) -> None:
        """Close the client, in the embedded engine after building what is not indexed yet."""
        self.driver.close()

    async def aclose(self) -> None:
        """Close the clients, those of the running event loop included."""
        await self.driver.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
