"""Print the table that the documentation shows: python -m mrl_adapters.registry."""

from mrl_adapters.registry.table import markdown

if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - printing is its purpose
