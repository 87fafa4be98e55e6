"""Programs that are run again: ids keep documents from being stored twice."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.documents import Document
from test_readme import PAGES, sections

from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.langchain import MatryoshkaVectorStore

_IDS = re.compile(r"^    ids=.*\n", re.MULTILINE)


# The page stores two texts and two passages; the passages keep their ids.
@pytest.mark.parametrize(("without_ids", "expected"), [(False, 4), (True, 6)])
def test_the_pages_program_runs_twice(tmp_path: Path, without_ids: bool, expected: int) -> None:
    [section] = sections((PAGES / "langchain.md").read_text(encoding="utf-8"))
    program = section.source
    assert _IDS.search(program)
    if without_ids:
        program = _IDS.sub("", program)
    printed = []
    for _ in range(2):
        ended = subprocess.run(  # noqa: S603 - our own page
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        printed.append(ended.stdout)
    store = MatryoshkaVectorStore.from_existing_collection(
        "docs", WordLlamaEmbedder(), path=str(tmp_path / "vectors")
    )
    with store.client:
        assert len(store.similarity_search("files", k=9)) == expected
    if not without_ids:
        assert printed[0] == printed[1]


def test_documents_with_ids_of_their_own_replace_themselves(new_store) -> None:
    for text in ("old", "new"):
        store = new_store()
        store.add_documents([Document(id="a", page_content=text), Document(page_content="other")])
    found = [each.page_content for each in store.similarity_search("anything", k=9)]
    assert sorted(found) == ["new", "other", "other"]
