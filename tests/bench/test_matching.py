"""The cheapest setting that reaches an overlap, and how overlap is judged."""

import numpy as np
import pytest

from mrl_adapters.bench import BenchData
from mrl_adapters.bench.contender import identifier
from mrl_adapters.bench.matching import Judge, Tried, cheapest, explore, highest
from mrl_adapters.bench.process import Answers
from mrl_adapters.evaluation.exact import exact_search


class Table:
    """Answers by setting: so many of the true neighbours, in so many seconds."""

    def __init__(self, data: BenchData, seconds: dict[int, float]) -> None:
        self.exact = exact_search(data.documents, data.queries, 5).indices
        self.seconds = seconds
        self.asked: list[int] = []

    def answer(self, rows, setting):
        self.asked.append(setting)
        ids = [[identifier(row) for row in self.exact[query][:setting]] for query in rows]
        return Answers(ids, np.full(len(rows), self.seconds[setting]))


def test_what_is_missing_counts_as_missed(data: BenchData):
    judge = Judge(data, 5)
    exact = exact_search(data.documents, data.queries, 5).indices
    ids = [[identifier(row) for row in exact[query]] for query in (3, 4)]
    assert judge.overlap([3, 4], [ids[0], ids[1][:2]]).tolist() == [1.0, 0.4]
    assert judge.overlap([3, 4], [ids[0], []]).tolist() == [1.0, 0.0]


def test_an_equal_score_is_a_hit(tmp_path):
    twins = np.tile(np.eye(4, dtype=np.float32), (2, 1))
    data = BenchData("twins", twins, np.eye(4, dtype=np.float32)[:1])
    judge = Judge(data, 1)
    assert [judge.overlap([0], [[identifier(row)]]).item() for row in (0, 4, 1)] == [1, 1, 0]


def test_a_chain_ends_where_it_reaches_the_target(data: BenchData):
    table = Table(data, {1: 0.1, 3: 0.2, 5: 0.3, 6: 0.4})
    tried = explore(table, [[1, 3, 5, 6]], Judge(data, 5), range(4), 0.9)
    assert [each.overlap for each in tried] == pytest.approx([0.2, 0.6, 1.0])
    assert table.asked == [1, 3, 5]


def test_a_chain_that_has_become_far_slower_is_given_up(data: BenchData):
    table = Table(data, {5: 0.1, 1: 0.2, 2: 0.5, 3: 0.6})
    explore(table, [[5], [1, 2, 3]], Judge(data, 5), range(4), 0.9)
    assert table.asked == [5, 1, 2]


def test_a_slow_setting_is_tried_on_as_many_queries_as_there_is_time_for(data: BenchData):
    asked = []

    class Counting(Table):
        def answer(self, rows, setting):
            asked.append(len(rows))
            return super().answer(rows, setting)

    for seconds, counts in ((1e-4, [20, 40]), (0.2, [20, 5]), (9.0, [20])):
        asked.clear()
        explore(Counting(data, {5: seconds}), [[5]], Judge(data, 5), range(60), 0.9)
        assert asked == counts


def test_the_fastest_of_those_that_reach_it_is_chosen():
    tried = [Tried(1, 0.9, 0.1), Tried(2, 0.99, 0.3), Tried(3, 1.0, 0.2)]
    assert cheapest(tried, 0.99) == tried[2]
    assert cheapest(tried, 0.5) == tried[0]
    assert cheapest(tried[:1], 0.99) is None


def test_the_highest_target_is_one_that_is_reached_for_sure():
    tried = [Tried(1, 0.96, 0.1, error=0.005), Tried(2, 0.992, 0.3, error=0.003)]
    assert highest(tried, (0.95, 0.99)) == 0.95
    assert highest(tried, (0.95, 0.98, 0.99)) == 0.98
    assert highest(tried[:1], (0.99, 0.999)) is None
