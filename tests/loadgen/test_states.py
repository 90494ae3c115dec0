"""What is sent when, without a socket or a clock."""

from __future__ import annotations

from steelyard.loadgen.states import (
    Drop,
    Exit,
    Finished,
    JobAdded,
    LastCalled,
    NoMoreJobs,
    Recalled,
    Return,
    Send,
    Sending,
    StreamsSet,
    WakeAt,
    Woke,
)


def test_no_more_than_the_streams_are_in_flight() -> None:
    loop = Sending(streams=2)
    sent = [loop.handle(JobAdded(name), 5) for name in "abc"]
    assert sent == [(Send("a", 5),), (Send("b", 5),), ()]
    assert loop.in_flight == 2


def test_a_finished_request_makes_room_for_the_next() -> None:
    loop = Sending(streams=1)
    loop.handle(JobAdded("a"), 0)
    loop.handle(JobAdded("b"), 0)
    assert loop.handle(Finished(), 70) == (Send("b", 70),)


def test_a_job_waits_for_its_moment_and_keeps_it() -> None:
    loop = Sending(streams=1)
    assert loop.handle(JobAdded("later", at_ns=100), 0) == (WakeAt(100),)
    assert loop.handle(Woke(), 99) == (WakeAt(100),)
    assert loop.handle(Woke(), 103) == (Send("later", 100),)


def test_a_moment_that_passed_while_all_streams_were_busy_is_still_the_intended_one() -> None:
    loop = Sending(streams=1)
    loop.handle(JobAdded("now"), 0)
    assert loop.handle(JobAdded("later", at_ns=10), 1) == ()
    assert loop.handle(Finished(), 500) == (Send("later", 10),)


def test_timed_jobs_go_out_in_the_order_of_their_moments() -> None:
    loop = Sending(streams=3)
    for name, at_ns in (("c", 30), ("a", 10), ("b", 20)):
        loop.handle(JobAdded(name, at_ns=at_ns), 0)
    assert loop.handle(Woke(), 40) == (Send("a", 10), Send("b", 20), Send("c", 30))


def test_more_streams_start_what_was_waiting() -> None:
    loop = Sending(streams=1)
    for name in "abc":
        loop.handle(JobAdded(name), 0)
    assert loop.handle(StreamsSet(3), 9) == (Send("b", 9), Send("c", 9))


def test_fewer_streams_let_the_surplus_run_out() -> None:
    loop = Sending(streams=2)
    for name in "abc":
        loop.handle(JobAdded(name), 0)
    assert loop.handle(StreamsSet(1), 1) == ()
    assert loop.handle(Finished(), 2) == ()
    assert loop.handle(Finished(), 3) == (Send("c", 3),)


def test_it_exits_when_the_last_one_has_finished_and_not_before() -> None:
    loop = Sending(streams=1)
    loop.handle(JobAdded("a"), 0)
    assert loop.handle(NoMoreJobs(), 1) == ()
    assert loop.handle(Finished(), 2) == (Exit(),)


def test_the_last_call_drops_what_waits_and_holds_until_streams_are_set_anew() -> None:
    loop = Sending(streams=1)
    loop.handle(JobAdded("a"), 0)
    loop.handle(JobAdded("b"), 0)
    loop.handle(JobAdded("later", at_ns=900), 0)
    assert loop.handle(LastCalled(100), 1) == (WakeAt(100),)
    assert loop.handle(Woke(), 100) == (Drop("b"), Drop("later"))
    assert loop.handle(JobAdded("c"), 101) == (Drop("c"),)
    assert loop.handle(Finished(), 200) == ()
    loop.handle(StreamsSet(1), 300)
    assert loop.handle(JobAdded("d"), 301) == (Send("d", 301),)


def test_what_waits_is_given_back_when_it_is_called_back_and_what_is_out_is_not() -> None:
    loop = Sending(streams=1)
    loop.handle(JobAdded("out"), 0)
    loop.handle(JobAdded("a"), 0)
    loop.handle(JobAdded("later", at_ns=900), 0)
    assert loop.handle(Recalled(), 1) == (Return("a"), Return("later"))
    assert loop.handle(Finished(), 2) == ()
    assert loop.handle(JobAdded("b"), 3) == (Send("b", 3),)


def test_streams_change_at_their_moments() -> None:
    loop = Sending(streams=0)
    loop.handle(JobAdded("a"), 0)
    loop.handle(JobAdded("b"), 0)
    assert loop.handle(StreamsSet(1, at_ns=50), 1) == (WakeAt(50),)
    assert loop.handle(StreamsSet(2, at_ns=80), 1) == (WakeAt(50),)
    assert loop.handle(Woke(), 50) == (Send("a", 50), WakeAt(80))
    assert loop.handle(Woke(), 81) == (Send("b", 81),)


def test_in_waves_the_next_ones_begin_together_when_the_last_one_has_ended() -> None:
    loop = Sending(streams=0)
    for name in "abcde":
        loop.handle(JobAdded(name), 0)
    assert loop.handle(StreamsSet(2, waves=True), 5) == (Send("a", 5), Send("b", 5))
    assert loop.handle(Finished(), 7) == ()
    assert loop.handle(JobAdded("f"), 8) == ()
    assert loop.handle(Finished(), 9) == (Send("c", 9), Send("d", 9))
    assert [loop.handle(Finished(), at_ns) for at_ns in (20, 21)] == [
        (),
        (Send("e", 21), Send("f", 21)),
    ]


def test_waves_end_with_the_next_number_of_streams() -> None:
    loop = Sending(streams=0)
    for name in "abc":
        loop.handle(JobAdded(name), 0)
    loop.handle(StreamsSet(2, waves=True), 1)
    assert loop.handle(Finished(), 2) == ()
    assert loop.handle(StreamsSet(2), 3) == (Send("c", 3),)


def test_a_moment_that_comes_within_a_wave_waits_for_the_next_one_without_being_asked_for() -> None:
    loop = Sending(streams=0)
    loop.handle(JobAdded("a"), 0)
    loop.handle(StreamsSet(2, waves=True), 1)
    assert loop.handle(JobAdded("later", at_ns=10), 2) == ()
    assert loop.handle(Finished(), 30) == (Send("later", 10),)
