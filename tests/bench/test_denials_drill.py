"""The rank test of the denials drill sees a difference and invents none. What the drill measures are times: it stands in no test."""

from bench.drills.denials import rank_test


def test_it_sees_a_difference_and_invents_none() -> None:
    slow = [float(value) for value in range(100)]
    assert rank_test(slow, slow) == 1
    assert rank_test(slow, [value + 1 for value in slow]) > 0.5
    assert rank_test(slow, [value + 40 for value in slow]) < 0.001
    assert rank_test([1.0] * 30, [1.0] * 30) == 1
