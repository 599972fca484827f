from collections import Counter

from rlvr.training.order import draw


def test_an_epoch_holds_every_problem_once():
    drawn = [i for step in range(5) for i in draw(10, 4, step, seed=1)]
    assert Counter(drawn) == dict.fromkeys(range(10), 2)
    assert sorted(drawn[:10]) == list(range(10))


def test_epochs_and_seeds_differ():
    assert draw(1000, 16, 0, seed=1) != draw(1000, 16, 0, seed=2)
    assert draw(8, 8, 0, seed=1) != draw(8, 8, 1, seed=1)


def test_a_step_is_the_same_whenever_it_is_asked_for():
    assert draw(100, 8, 37, seed=3) == draw(100, 8, 37, seed=3)


def test_fewer_problems_than_groups():
    assert Counter(draw(3, 7, 0, seed=0)).most_common(1)[0][1] in (3, 2)
    assert len(draw(1, 8, 5, seed=0)) == 8
