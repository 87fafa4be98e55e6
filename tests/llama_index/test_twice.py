"""Programs that are run again: ids keep nodes from being stored twice."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_readme import README, sections

from mrl_adapters.llama_index import MatryoshkaVectorStore
from mrl_adapters.qdrant import connect

_IDS = "    transformations=[SentenceSplitter(id_func="


@pytest.mark.parametrize(("without_ids", "expected"), [(False, 1), (True, 2)])
def test_the_readmes_program_runs_twice(tmp_path: Path, without_ids: bool, expected: int) -> None:
    sources = {each.title: each.source for each in sections(README.read_text(encoding="utf-8"))}
    source = sources["Use it with LlamaIndex"]
    lines = [line for line in source.splitlines() if not (without_ids and line.startswith(_IDS))]
    assert len(lines) == len(source.splitlines()) - without_ids
    for _ in range(2):
        subprocess.run(  # noqa: S603 - our own README
            [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, check=True, timeout=300
        )
    with connect(path=str(tmp_path / "nodes")) as client:
        nodes = MatryoshkaVectorStore("nodes", client).get_nodes()
    assert len(nodes) == expected
    assert {node.ref_doc_id for node in nodes} == {"shutil"}
