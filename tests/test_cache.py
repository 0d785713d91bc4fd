"""ByteCache: bounded, least recently used first, nothing made twice at once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from vit_demo.cache import ByteCache, content_bytes, content_key


def put(cache: ByteCache, key: str, nbytes: int) -> None:
    cache.get_or_make(key, lambda: f"value of {key}", lambda _: nbytes)


def test_what_was_made_is_found_again_and_said_to_be_there():
    cache, made = ByteCache(100), []
    make = lambda: made.append(1) or "value"  # noqa: E731
    assert cache.get_or_make("a", make, lambda _: 10) == ("value", False)
    assert cache.get_or_make("a", make, lambda _: 10) == ("value", True)
    assert (cache.get("a"), len(made), cache.nbytes) == ("value", 1, 10)


def test_what_was_never_made_is_none():
    assert ByteCache(100).get("a") is None


def test_the_size_function_is_given_the_value():
    cache = ByteCache(100)
    cache.get_or_make("a", lambda: b"12345", len)
    assert cache.nbytes == 5


def test_bytes_never_pass_the_limit_while_values_fit():
    cache = ByteCache(100)
    for i in range(50):
        put(cache, str(i), 7 + i % 13)
        assert cache.nbytes <= 100


def test_the_limit_itself_is_still_allowed():
    cache = ByteCache(100)
    put(cache, "a", 60)
    put(cache, "b", 40)
    assert cache.nbytes == 100
    put(cache, "c", 1)
    assert (cache.get("a"), cache.nbytes) == (None, 41)


def test_the_least_recently_used_goes_first():
    cache = ByteCache(30)
    for key in "abc":
        put(cache, key, 10)
    assert cache.get("a")  # used again, by get
    put(cache, "b", 10)  # used again, by get_or_make
    put(cache, "d", 10)
    assert [key for key in "abcd" if cache.get(key)] == ["a", "b", "d"]


def test_one_large_value_pushes_out_as_many_as_it_needs():
    cache = ByteCache(30)
    for key in "abc":
        put(cache, key, 10)
    put(cache, "d", 15)
    assert [key for key in "abcd" if cache.get(key)] == ["c", "d"]


def test_the_newest_is_kept_even_where_it_alone_is_too_large():
    cache = ByteCache(30)
    put(cache, "a", 10)
    put(cache, "b", 1000)
    assert (cache.get("a"), cache.get("b")) == (None, "value of b")
    put(cache, "c", 10)
    assert (cache.get("b"), cache.nbytes) == (None, 10)


def test_clear_lets_everything_go():
    cache = ByteCache(30)
    put(cache, "a", 10)
    cache.clear()
    assert (cache.get("a"), cache.nbytes) == (None, 0)


def together(count: int, work) -> list:
    """`work(i)` in `count` threads that start at once: their results, or what they raised."""
    start, results = threading.Barrier(count), [None] * count

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    return results


def slow(made: list, key: object):
    def make():
        made.append(key)
        time.sleep(0.1)
        return f"value of {key}"

    return make


def test_eight_threads_that_want_one_key_make_it_once():
    cache, made = ByteCache(100), []
    results = together(8, lambda i: cache.get_or_make("a", slow(made, "a"), lambda _: 1))
    assert made == ["a"]
    assert {value for value, _ in results} == {"value of a"}
    assert sorted(cached for _, cached in results) == [False] + 7 * [True]


def test_different_keys_do_not_wait_for_each_other():
    cache, inside = ByteCache(100), threading.Barrier(4, timeout=10)

    def make():  # passes only if all four are being made at once
        inside.wait()
        return "value"

    assert together(4, lambda i: cache.get_or_make(i, make, lambda _: 1)) == 4 * [("value", False)]


def test_a_failure_reaches_who_asked_and_does_not_poison_the_key():
    cache = ByteCache(100)

    def fail():
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        cache.get_or_make("a", fail, lambda _: 1)
    assert (cache.get("a"), cache.nbytes) == (None, 0)
    assert cache.get_or_make("a", lambda: "fine", lambda _: 1) == ("fine", False)


def test_a_failure_to_size_a_value_does_not_poison_the_key():
    cache = ByteCache(100)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("a", lambda: "value", lambda _: 1 // 0)
    assert cache.get_or_make("a", lambda: "fine", lambda _: 1) == ("fine", False)


def test_those_who_waited_for_a_failure_try_themselves_and_one_success_serves_the_rest():
    cache, tries = ByteCache(100), []

    def make():
        tries.append(1)
        time.sleep(0.05)
        if len(tries) == 1:
            raise RuntimeError("no luck")
        return "value"

    results = together(8, lambda i: cache.get_or_make("a", make, lambda _: 1))
    assert sum(isinstance(result, RuntimeError) for result in results) == 1
    assert len(tries) == 2
    assert [r[0] for r in results if not isinstance(r, Exception)] == 7 * ["value"]


def test_nothing_is_made_twice_at_once_after_a_failure_either():
    """One waits for a make that fails and then makes it itself; a third who comes meanwhile waits for that one."""
    cache = ByteCache(100)
    first_runs, second_runs, third_done = threading.Event(), threading.Event(), threading.Event()
    at_once, most = [], []
    waiting = threading.Event()

    def fail():
        first_runs.set()
        waiting.wait(10)
        time.sleep(0.1)  # until the second stands at the gate
        raise RuntimeError("no luck")

    def make():
        at_once.append(1)
        most.append(len(at_once))
        second_runs.set()
        time.sleep(0.2)
        at_once.pop()
        return "value"

    def first():
        with pytest.raises(RuntimeError):
            cache.get_or_make("a", fail, lambda _: 1)

    def second():
        first_runs.wait(10)
        waiting.set()
        cache.get_or_make("a", make, lambda _: 1)

    def third():
        second_runs.wait(10)
        cache.get_or_make("a", make, lambda _: 1)
        third_done.set()

    together(3, lambda i: (first, second, third)[i]())
    assert third_done.is_set()
    assert max(most) == 1


def test_many_threads_and_keys_keep_the_bound_and_get_their_own_values():
    cache = ByteCache(50)

    def work(i: int) -> bool:
        for step in range(200):
            key = (i * 7 + step * step) % 17
            value, _ = cache.get_or_make(key, lambda key=key: f"value of {key}", lambda _: 10)
            if value != f"value of {key}" or cache.nbytes > 50:
                return False
        return True

    assert together(8, work) == 8 * [True]


def test_letting_go_drops_the_least_recently_used_until_enough_is_free():
    cache = ByteCache(100)
    for key in "abcd":
        put(cache, key, 20)
    assert cache.get("a")
    assert cache.evict(25) == 40
    assert [key for key in "abcd" if cache.get(key)] == ["a", "d"]
    assert cache.evict(1000, keep=1) == 20
    assert cache.nbytes == 20
    assert cache.evict(1000) == 20


@dataclass(frozen=True)
class Question:
    size: int
    picture: np.ndarray


def test_a_contents_key_is_equal_for_equal_content_alone():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    question = "model", 3, Question(1, picture), (picture, None)
    again = "model", 3, Question(1, picture.copy()), (picture.copy(), None)
    assert content_key(question) == content_key(again)
    assert hash(content_key(question)) == hash(content_key(again))
    others = [
        ("model", 4, *question[2:]),
        ("model", 3, Question(2, picture), (picture, None)),
        ("model", 3, Question(1, picture.reshape(1, 4, 3)), (picture, None)),
        ("model", 3, Question(1, picture.astype(np.int64)), (picture, None)),
        ("model", 3, Question(1, picture + 1), (picture, None)),
        ("model", 3.0, *question[2:]),
        ("model", True, *question[2:]),
    ]
    keys = {content_key(one) for one in [question, *others]}
    assert len(keys) == 1 + len(others)
    assert content_key({"a": picture}) != content_key({"b": picture})


def test_a_pictures_part_has_its_own_key():
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert content_key(picture[:, ::2]) == content_key(picture[:, ::2].copy())
    assert content_key(picture[:, ::2]) != content_key(picture[:, 1::2])


def test_bytes_of_content_are_those_of_its_arrays():
    picture = np.zeros((10, 10, 3), np.uint8)
    assert 300 <= content_bytes(Question(1, picture)) < 700
    assert 600 <= content_bytes({"a": [picture, picture]}) < 1200


def test_what_goes_is_told_by_its_key_after_it_went():
    told = []
    cache = ByteCache(30, gone=lambda key: told.append((key, cache.get(key))))
    for key in "abcd":
        put(cache, key, 10)
    assert told == [("a", None)]
    cache.evict(15)
    assert told == [("a", None), ("b", None), ("c", None)]


def test_some_are_discarded_by_their_key():
    cache = ByteCache(100)
    for key in ("a1", "b1", "a2"):
        put(cache, key, 10)
    cache.discard(lambda key: key.startswith("a"))
    assert cache.nbytes == 10
    assert cache.get("b1") is not None
