"""Programs that are run again: ids keep nodes from being stored twice."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_readme import PAGES, sections

from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import connect

_IDS = "    transformations=[SentenceSplitter(id_func="


@pytest.mark.parametrize(("without_ids", "expected"), [(False, 1), (True, 2)])
def test_the_pages_program_runs_twice(tmp_path: Path, without_ids: bool, expected: int) -> None:
    [section] = sections((PAGES / "llama_index.md").read_text(encoding="utf-8"))
    source = section.source.splitlines()
    lines = [line for line in source if not (without_ids and line.startswith(_IDS))]
    assert len(lines) == len(source) - without_ids
    for _ in range(2):
        subprocess.run(  # noqa: S603 - our own page
            [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, check=True, timeout=300
        )
    with connect(path=str(tmp_path / "nodes")) as client:
        nodes = MatryoshkaVectorStore("nodes", client).get_nodes()
    assert len(nodes) == expected
    assert {node.ref_doc_id for node in nodes} == {"shutil"}
