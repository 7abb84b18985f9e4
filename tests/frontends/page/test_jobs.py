"""Long work: its order, its clock, a task that fails, and stopping one job of several."""

import pytest

from lib_embmerge.errors import EmbeddingMergeError, NameProblem
from lib_embmerge.frontends.page.jobs import Jobs, Standing, Task, draw_progress


class Clock:
    """Seconds that pass only when a task takes them."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def jobs(clock):
    return Jobs(clock)


def tasks(clock, number, seconds=1.0):
    def do(n):
        clock.now += seconds
        if n == 13:
            raise NameProblem("unlucky")
        return n * n

    return [Task(str(n), lambda n=n: do(n)) for n in range(number)]


def test_every_task_is_done_in_its_order(jobs, clock):
    seen = list(jobs.work("a", tasks(clock, 4)))
    assert [(one.done, one.doing, one.seconds) for one in seen] == [
        (0, "0", 0),
        (1, "1", 1),
        (2, "2", 2),
        (3, "3", 3),
        (4, "", 4),
    ]
    assert [outcome.result for outcome in seen[-1].outcomes] == [0, 1, 4, 9]
    assert seen[-1].is_over
    assert not seen[-1].is_cancelled
    assert len(jobs) == 0


def test_no_tasks_are_over_at_once(jobs):
    assert list(jobs.work("a", [])) == [Standing(0, 0.0, is_over=True)]


def test_fast_tasks_are_not_shown_one_by_one(jobs, clock):
    seen = list(jobs.work("a", tasks(clock, 1000, seconds=0.001)))
    assert len(seen) <= 5
    assert seen[-1].done == 1000


def test_a_task_fails_alone(jobs, clock):
    last = list(jobs.work("a", tasks(clock, 20)))[-1]
    assert (last.done, last.failed) == (20, 1)
    assert isinstance(last.outcomes[13].error, NameProblem)
    assert last.outcomes[14].result == 196


def test_a_file_that_the_system_refuses_is_a_users_mistake(jobs):
    def refuse():
        raise PermissionError(13, "Permission denied", "/a/b")

    (outcome,) = list(jobs.work("a", [Task("x", refuse)]))[-1].outcomes
    assert str(outcome.error) == "/a/b: Permission denied."


def test_a_mistake_of_ours_is_not_hidden_and_ends_the_job(jobs):
    def break_():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(jobs.work("a", [Task("x", break_)]))
    assert len(jobs) == 0


def test_cancelling_keeps_what_is_done(jobs, clock):
    work = jobs.work("a", tasks(clock, 5))
    for standing in work:
        if standing.done == 3:
            assert jobs.cancel("a")
    assert (standing.done, standing.is_over, standing.is_cancelled) == (3, True, True)
    assert "cancelled after 3 of 5" in draw_progress(standing)


def test_cancelling_during_the_last_task_cancels_nothing(jobs, clock):
    seen = list(jobs.work("a", [Task("x", lambda: jobs.cancel("a"))]))
    assert not seen[-1].is_cancelled


def test_two_jobs_do_not_disturb_each_other(jobs, clock):
    first, second = jobs.work("a", tasks(clock, 3)), jobs.work("b", tasks(clock, 3))
    next(first)
    next(second)
    assert len(jobs) == 2
    jobs.cancel("a")
    assert list(first)[-1].is_cancelled
    assert list(second)[-1].done == 3


def test_one_page_has_one_job_at_a_time(jobs, clock):
    work = jobs.work("a", tasks(clock, 3))
    next(work)
    with pytest.raises(EmbeddingMergeError, match="at work already"):
        next(jobs.work("a", tasks(clock, 1)))
    assert list(work)[-1].done == 3
    assert list(jobs.work("a", tasks(clock, 1)))[-1].done == 1


def test_a_page_that_is_closed_ends_its_job(jobs, clock):
    work = jobs.work("a", tasks(clock, 3))
    next(work)
    work.close()
    assert len(jobs) == 0
    assert not jobs.cancel("a")


DRAWN = [
    (Standing(5, 0.0, doing="<b>"), ["0 of 5", "&lt;b&gt;"], ["left", "<b>"]),
    (Standing(4, 30.0, (None, None)), ["2 of 4", "30 s", "about 30 s left", "width: 50.0%"], ["failed"]),  # type: ignore[arg-type]
    (Standing(2, 0.04, is_over=True), ["0.1 s"], ["left"]),
]


@pytest.mark.parametrize(("standing", "has", "lacks"), DRAWN)
def test_progress_is_drawn(standing, has, lacks, monkeypatch):
    monkeypatch.setattr(Standing, "failed", 0)
    html = draw_progress(standing)
    assert all(part in html for part in has)
    assert not any(part in html for part in lacks)
