"""Who came first goes first, and nobody waits for ever."""

import threading
import time

from storage.turns import Turns


def test_turns_come_in_the_order_of_arrival() -> None:
    turns, order, threads = Turns(), list[int](), list[threading.Thread]()

    def take(number: int) -> None:
        with turns.turn(60):
            order.append(number)

    with turns.turn(60):
        for number in range(20):
            thread = threading.Thread(target=take, args=(number,))
            thread.start()
            threads.append(thread)
            while len(turns._waiting) < number + 1:
                time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    assert order == list(range(20))


def test_who_waited_too_long_goes_on_without_a_turn_and_takes_none_from_others() -> None:
    turns, gone = Turns(), threading.Event()

    def give_up() -> None:
        with turns.turn(0.01):
            gone.set()

    with turns.turn(60):
        thread = threading.Thread(target=give_up)
        thread.start()
        assert gone.wait(60)
        thread.join(60)
        assert turns._is_taken
    with turns.turn(0):
        assert turns._is_taken
    assert not turns._is_taken


def test_turn_is_handed_on_when_the_block_raises() -> None:
    turns = Turns()
    for _ in range(2):
        try:
            with turns.turn(60):
                raise KeyError
        except KeyError:
            pass
    assert not turns._is_taken
