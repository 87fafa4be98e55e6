"""What the documentation says of each argument of the frameworks' own Qdrant stores."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / ".github" / "docs" / "stock_arguments.md"
STATUSES = {"honoured", "in part", "no effect", "refused"}


def documented(store: str) -> dict[str, tuple[str, str]]:
    """Read a stock store's table: each argument's status, and what is said of it in plain text.

    Args:
        store: The name that its heading has, such as ``langchain_qdrant.QdrantVectorStore``.
    """
    text = PAGE.read_text(encoding="utf-8")
    block = text.split(f": `{store}`\n")[1].split("\n## ")[0]
    rows = [
        re.split(r"(?<!\\) \| ", line.strip("| "))
        for line in block.splitlines()
        if line[:3] == "| `"
    ]
    said: dict[str, tuple[str, str]] = {}
    for names, status, *words in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert name not in said, f"{name} has two rows"
            said[name] = status.strip(" |"), "".join(words).replace("`", "")
    assert {status for status, _ in said.values()} <= STATUSES
    return said
