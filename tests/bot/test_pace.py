"""The rule of how fast a channel may be written to, by a clock that the test moves."""

import random
from collections.abc import Iterator
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.pace import LIMITS, TALK_S, Limits, Pace

AN, BINH = "an", "binh"
# Moments are sums of fractions; two that are equal on paper may differ in the last digit.
EQUAL = 1e-9


def most_in_a_window(moments: list[float], *, window_s: float = 1.0) -> int:
    """Return the most moments that a window, open at its beginning, holds; the fullest ends at one of them."""
    return max((sum(end - window_s + EQUAL < at <= end for at in moments) for end in moments), default=0)


def broadcast(pace: Pace, count: int, *, now: float = 0.0, late_s: float = 0.0) -> list[float]:
    """Let messages go to as many chats, each when it may, and when its sender is late; return the moments."""
    moments = []
    for number in range(count):
        now = pace.next_at(f"chat-{number}", now) + late_s
        pace.take(f"chat-{number}", now)
        moments.append(now)
    return moments


def test_telegram_takes_thirty_a_second_and_one_a_second_in_a_chat() -> None:
    assert (LIMITS["telegram"].per_second, LIMITS["telegram"].per_chat_s) == (30, 1.0)


def test_channel_without_limits_never_waits() -> None:
    pace = Pace()
    for _ in range(1000):
        assert pace.next_at(AN, 5.0) == 5.0
        pace.take(AN, 5.0)


def test_broadcast_goes_at_the_allowed_rate_and_evenly() -> None:
    moments = broadcast(Pace(Limits(30)), 3001)
    assert 3000 / (moments[-1] - moments[0]) == pytest.approx(30, rel=1e-3)
    assert most_in_a_window(moments[:200]) == 30
    assert most_in_a_window(moments[:200], window_s=0.1) <= 4


def test_sender_that_is_a_little_late_each_time_makes_up_for_it() -> None:
    moments = broadcast(Pace(Limits(30)), 3001, late_s=0.003)
    assert 3000 / (moments[-1] - moments[0]) > 29.8
    assert most_in_a_window(moments[:300]) == 30


def test_message_that_went_late_counts_when_it_went() -> None:
    pace = Pace(Limits(2, per_chat_s=0))
    for at in (0.0, 0.5):
        pace.take(AN, at)
        pace.went(AN, at, at + 0.4)
    assert pace.next_at(AN, 1.0) == pytest.approx(1.4)


def test_second_message_to_a_chat_waits_while_others_go() -> None:
    pace = Pace(Limits(30, per_chat_s=1.0))
    pace.take(AN, 10.0)
    assert pace.next_at(AN, 10.1) == 11.0
    assert pace.next_at(BINH, 10.1) == 10.1
    assert pace.next_at(AN, 12.0) == 12.0


def test_chat_that_was_just_answered_is_not_written_to_in_the_same_second() -> None:
    pace = Pace(Limits(30, per_chat_s=1.0))
    pace.reply(AN, 10.0)
    assert pace.next_at(AN, 10.5) == 11.0


def test_one_refused_chat_waits_alone_to_the_end_of_the_longest_halt() -> None:
    pace = Pace(Limits(30))
    pace.halt(20.0, AN, 10.0)
    pace.halt(15.0, AN, 11.0)
    assert pace.next_at(AN, 11.0) == 20.0
    assert pace.next_at(BINH, 11.0) == 11.0
    assert (pace.halted_s(11.0), pace.chat_halted_s(AN, 11.0), pace.chat_halted_s(BINH, 11.0)) == (0.0, 9.0, 0.0)
    pace.halt(30.0, BINH, 25.0)
    # The first halt was over: again one chat alone.
    assert pace.halted_s(25.0) == 0.0


def test_where_a_second_chat_is_refused_the_whole_channel_waits() -> None:
    pace = Pace(Limits(30))
    pace.halt(12.0, AN, 9.0)
    pace.halt(20.0, BINH, 10.0)
    pace.halt(15.0, AN, 10.0)
    assert pace.next_at("khác", 10.0) == 20.0
    assert (pace.halted_s(10.0), pace.halted_s(20.0), pace.halted_s(25.0)) == (10.0, 0.0, 0.0)
    assert pace.next_at(AN, 25.0) == 25.0


def test_halt_of_one_channel_leaves_the_other() -> None:
    one, other = Pace(Limits(30)), Pace()
    one.halt(20.0, AN, 10.0)
    one.halt(20.0, BINH, 10.0)
    assert other.next_at(AN, 10.0) == 10.0


def test_every_reply_takes_the_place_of_a_message_of_the_broadcast() -> None:
    pace = Pace(Limits(30, for_replies=5))
    for number in range(30):
        pace.reply(f"person-{number}", 10.0 + number / 100)
    # Five places of the thirty are kept free for whoever writes next.
    assert pace.next_at(AN, 10.3) == pytest.approx(11.0 + 5 / 100)


def test_broadcast_leaves_room_while_people_are_answered_and_takes_it_back_after() -> None:
    pace = Pace(Limits(30, for_replies=5))
    pace.reply(AN, 0.0)
    moments = broadcast(pace, 400)
    assert most_in_a_window([at for at in moments if 1 < at < TALK_S]) == 25
    assert most_in_a_window([at for at in moments if at > TALK_S + 1]) == 30


def sent_with_jitter(pace: Pace, count: int, lateness: Iterator[float]) -> list[float]:
    """Let a broadcast go as the scheduler does, on a clock that wakes its tasks late; return when messages went.

    Every 50 ms those that may go within the next 80 are begun; each wakes at its moment or a little later, looks
    whether it may go now, and else sleeps again.
    """
    begun, went, now, flying = 0, list[float](), 0.0, list[tuple[float, float, str]]()
    while len(went) < count:
        while begun < count and len(flying) < 10 and (at := pace.next_at(f"chat-{begun}", now)) <= now + 0.08:
            pace.take(f"chat-{begun}", at)
            heappush(flying, (at + next(lateness), at, f"chat-{begun}"))
            begun += 1
        now += 0.05
        while flying and flying[0][0] <= now:
            wakes_at, at, chat = heappop(flying)
            wait_s = pace.wait_s(wakes_at)
            if wait_s > 0:
                heappush(flying, (wakes_at + wait_s + next(lateness), at, chat))
            else:
                pace.went(chat, at, wakes_at)
                went.append(wakes_at)
    return went


@pytest.mark.parametrize(("mostly_s", "seldom_s", "least"), [(0.0, 0.0, 0.99), (0.002, 0.03, 0.99), (0.01, 0.2, 0.9)])
def test_messages_that_go_late_are_never_too_many_in_a_second(mostly_s: float, seldom_s: float, least: float) -> None:
    """Late by mostly_s at most, one in twenty by seldom_s; the rate stays near the allowed one all the same."""
    chance = random.Random(7)

    def lateness() -> Iterator[float]:
        while True:
            yield chance.uniform(0, seldom_s if chance.random() < 0.05 else mostly_s)

    moments = sent_with_jitter(Pace(Limits(30)), 1200, lateness())
    assert most_in_a_window(moments) <= 30
    assert 1199 / (moments[-1] - moments[0]) > least * 30


def test_reply_that_went_counts_for_a_message_whose_moment_has_come() -> None:
    pace = Pace(Limits(2, per_chat_s=0))
    pace.take(AN, 0.0)
    pace.went(AN, 0.0, 0.2)
    pace.reply(BINH, 0.9)
    assert pace.wait_s(1.0) == pytest.approx(0.2, abs=0.01)
    assert pace.wait_s(1.3) == 0.0
    assert Pace().wait_s(1.0) == 0.0


@settings(max_examples=150, deadline=None)
@given(
    limits=st.builds(
        Limits, per_second=st.integers(1, 40), per_chat_s=st.sampled_from([0.0, 0.5, 1.0, 3.0]), for_replies=st.just(0)
    ),
    steps=st.lists(
        st.tuples(st.floats(0, 0.6), st.sampled_from(["an", "binh", "cuong", "dung"]), st.sampled_from("bbbrh")),
        max_size=120,
    ),
    lead_s=st.sampled_from([0.0, 0.1, 0.2]),
)
def test_broadcast_is_never_faster_than_allowed(
    limits: Limits, steps: list[tuple[float, str, str]], lead_s: float
) -> None:
    """Over any course of messages that are begun a little before they go, of replies and of halts.

    Replies never wait: what they bring in too much is theirs. At the moment at which a message of the broadcast is
    allowed, no window that ends with it holds too much, and its chat and its channel have waited long enough.
    """
    pace, now, halted_until = Pace(limits), 0.0, 0.0
    halted: dict[str, float] = {}
    went: list[tuple[float, str]] = []
    broadcasts: list[float] = []
    for pause_s, chat, what in steps:
        now += pause_s
        if what == "r":
            pace.reply(chat, now)
            went.append((now, chat))
            continue
        if what == "h":
            pace.halt(now + 0.3, chat, now)
            if any(other != chat and until > now for other, until in halted.items()):
                halted_until = now + 0.3
            halted[chat] = now + 0.3
            continue
        at = pace.next_at(chat, now)
        assert at >= now
        if at > now + lead_s:
            continue
        pace.take(chat, at)
        assert at >= max(halted_until, halted.get(chat, 0.0))
        assert sum(at - 1 + EQUAL < then <= at for then, _ in went) < limits.per_second
        same_chat = [then for then, other in went if other == chat]
        assert all(then <= at - limits.per_chat_s + EQUAL for then in same_chat)
        went.append((at, chat))
        broadcasts.append(at)
    assert broadcasts == sorted(broadcasts)
    if not any(what == "r" for _, _, what in steps):
        assert most_in_a_window(broadcasts) <= limits.per_second


@given(talk=st.lists(st.floats(0, 100), max_size=400))
def test_what_is_remembered_does_not_grow_with_what_was_said(talk: list[float]) -> None:
    pace = Pace(Limits(30))
    for now in sorted(talk):
        pace.reply(AN, now)
    lately = sum(at > max(talk) - 1 for at in talk) if talk else 0
    assert len(pace._noted) == lately
