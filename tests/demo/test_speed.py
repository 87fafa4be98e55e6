"""Moving a slider answers in under 100 ms on 50,000 documents, seen in a real browser.

    MRL_ADAPTERS_DATA=FOLDER python -m pytest -m benchmark_target -s tests/demo/test_speed.py

FOLDER holds debian-packages, a BEIR data set of Debian's package descriptions.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")

from chromium import EXECUTABLE, browser
from page_server import served

from mrl_adapters.demo.corpus import read_corpus
from mrl_adapters.demo.serve import prepare
from mrl_adapters.demo.workbench import Workbench
from mrl_adapters.embeddings import WordLlamaEmbedder
from mrl_adapters.evaluation import OpenCollection, load_beir
from mrl_adapters.langchain import MatryoshkaVectorStore
from mrl_adapters.qdrant import CollectionLayout, EdgeClient, TextIndex

_DATA = Path(
    os.environ.get("MRL_ADAPTERS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
_DOCUMENTS = 50_000
pytestmark = [
    pytest.mark.benchmark_target,
    pytest.mark.skipif(EXECUTABLE is None, reason="needs a browser: apt-get install chromium"),
]

# Moves one slider after the other through all its places. A move has answered when the page has
# put every column and the figures of the setting into itself.
_MOVE = """async () => {
  const find = (id) => document.getElementById(id);
  const shown = [...document.querySelectorAll(".latency"), find("bytes")];
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const moves = [];
  for (const id of ["dimensions", "bits", "candidates", "rotated"]) {
    const knob = find(id);
    const all = id === "rotated" ? [0, 1] : [...Array(+knob.max + 1).keys()];
    const start = id === "rotated" ? 0 : +knob.value;
    for (const place of [...all.slice(start + 1), ...all.slice(0, start + 1)]) {
      const waiting = new Set(shown);
      const began = performance.now();
      const answered = new Promise((done) => {
        const seen = new MutationObserver((changes) => {
          for (const change of changes) waiting.delete(change.target);
          if (!waiting.size) { seen.disconnect(); done(performance.now()); }
        });
        for (const each of shown) seen.observe(each, { childList: true });
      });
      if (id === "rotated") knob.checked = place === 1; else knob.value = place;
      knob.dispatchEvent(new Event("input"));
      moves.push([id, place, (await answered) - began]);
      await pause(300);  // charts are drawn, as a hand pauses
    }
  }
  return moves;
}"""


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder = _DATA / "debian-packages"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set MRL_ADAPTERS_DATA to the folder that holds it")
    documents = dict(islice(load_beir(folder).documents.items(), _DOCUMENTS))
    embedder = WordLlamaEmbedder()
    layout = CollectionLayout(256, (64,), model=embedder.model, text_index=TextIndex())
    with EdgeClient(tmp_path_factory.mktemp("debian")) as client:
        store = MatryoshkaVectorStore(client, "debian", embedder, layout=layout)
        store.add_texts(list(documents.values()), [{"title": title} for title in documents])
        yield prepare(read_corpus(OpenCollection(store.collection, store.driver), embedder))


def test_a_slider_answers_in_100_ms(workbench: Workbench) -> None:
    with served(workbench) as address, browser() as opened:
        page: Any = opened.new_page()
        page.goto(address)
        page.locator("#frontier svg").first.wait_for(timeout=120_000)
        assert page.locator(".column").count() == 5
        rounds = [page.evaluate(_MOVE) for _ in range(3)]
    # The least of each: whatever else the machine does only adds to it.
    moves = [min(same, key=lambda each: each[-1]) for same in zip(*rounds, strict=True)]
    taken = [took for *_, took in moves]
    told = f"{len(moves)} moves: median {np.median(taken):.0f} ms, most {max(taken):.0f} ms"
    print(told)  # noqa: T201 - the figure to quote
    assert len(moves) == 22
    assert max(taken) < 100, moves
