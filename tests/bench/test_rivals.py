"""Other libraries, each where it is installed, find what the exact search finds."""

import sys

import pytest

from mrl_adapters.bench import BenchData, line_up
from mrl_adapters.bench.contender import Effort, describe
from mrl_adapters.bench.matching import Judge
from mrl_adapters.bench.process import Session
from mrl_adapters.bench.rivals import RIVALS, Rival, base, present_rivals
from mrl_adapters.errors import MissingExtraError


@pytest.mark.parametrize("rival", RIVALS, ids=lambda each: each.name)
@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_the_hardest_setting_finds_the_exact_neighbours(
    rival: Rival, data: BenchData, data_folder, tmp_path
):
    pytest.importorskip(rival.module)
    session = Session(rival, data_folder, tmp_path / "engine", 5)
    assert session.load().load_s > 0
    session.open()
    ids, seconds = session.answer(data.queries[[0, 7, 59]], rival.chains(32, 5, 600)[-1][-1])
    session.close()
    assert (seconds > 0).all()
    assert Judge(data, 5).overlap([0, 7, 59], ids).mean() > 0.95


def test_rivals_come_last_and_are_told_apart():
    everybody = line_up(32, 16, rivals=RIVALS)
    assert everybody[-len(RIVALS) :] == list(RIVALS)
    assert len({each.name for each in everybody}) == len(everybody)


def test_their_settings_are_said_in_few_words():
    assert describe(Effort(64, 40, 10)) == "effort 64, 40 candidates"
    assert describe(Effort(0, 40, 10)) == "40 candidates"


def test_beams_are_as_wide_as_what_they_find():
    by_name = {each.name: each for each in RIVALS}
    for chain in by_name["USearch int8, re-ranked"].chains(32, 10, 600):
        assert all(effort.probes >= effort.candidates for effort in chain)
    assert by_name["FAISS IVF RaBitQ, refined"].chains(32, 10, 600)[-1][0] == Effort(4, 600, 10)


def test_missing_packages_are_named_with_what_installs_them(monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda name: sys if name == "zvec" else None)
    assert [each.name for each in present_rivals()] == ["zvec HNSW int8, refined"]
    with pytest.raises(MissingExtraError, match=r"faiss-cpu.*pip install 'mrl-adapters\[rivals\]'"):
        present_rivals(("FAISS",))
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="rivals"):
        present_rivals()
