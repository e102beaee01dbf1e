"""One owner per vCPU: adopting, posting, calling."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irqframe import Injected, VmError
from irqframe.vm import Vm


@pytest.fixture
def in_thread() -> Iterator[Any]:
    """Run functions in threads of their own; what one raises is raised when the test ends."""
    threads: list[threading.Thread] = []
    errors: list[BaseException] = []

    def start(function: Callable[..., Any], *args: Any) -> threading.Thread:
        def work() -> None:
            try:
                function(*args)
            except BaseException as error:
                errors.append(error)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.0005)


# Adopting


def test_adopting_nests(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.adopt()
    vcpu.adopt()
    vcpu.release()
    assert vcpu.owned
    vcpu.release()
    assert not vcpu.owned


def test_second_thread_waits_for_the_first(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    vcpu = vm.vcpus[0]
    order = []
    vcpu.adopt()

    def other() -> None:
        vcpu.adopt()
        order.append("other")
        vcpu.release()

    in_thread(other)
    time.sleep(0.02)
    order.append("first")
    vcpu.release()
    wait_for(lambda: len(order) == 2)
    assert order == ["first", "other"]


def test_ownership_is_the_threads(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    seen = []
    with vm.adopted():
        in_thread(lambda: seen.append([vcpu.owned for vcpu in vm.vcpus]))
        wait_for(lambda: seen)
        assert [vcpu.owned for vcpu in vm.vcpus] == [True, True]
    assert seen == [[False, False]]


def test_adopted_gives_back_what_it_took(vm: Vm) -> None:
    """Even if the VM is destroyed meanwhile, and has no vCPUs any more."""
    vcpus = vm.vcpus
    with vm.adopted():
        vm.destroy()
    assert not any(vcpu.owned for vcpu in vcpus)


def test_adopted_gives_back_after_an_error(vm: Vm) -> None:
    with pytest.raises(RuntimeError), vm.adopted():
        raise RuntimeError
    assert not any(vcpu.owned for vcpu in vm.vcpus)


def test_release_does_what_is_in_the_inbox(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    done = []
    vcpu.post(lambda: done.append(vcpu.owned))
    assert done == []
    vcpu.adopt()
    vcpu.release()
    assert done == [True]


def test_release_gives_back_even_if_posted_work_is_broken(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    vcpu.adopt()
    vcpu.post(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vcpu.release()
    assert not vcpu.owned


# Posting


def test_injection_by_the_owner_is_done_at_once(chip: Any, vm: Vm) -> None:
    with vm.adopted():
        assert vm.inject(1, 40, 1) is Injected.LATCHED
        assert vm.inject(1, 40, 1) is Injected.COALESCED
        assert vm.inject(1, 40, 0) is Injected.NOTHING
        assert vm.vcpus[1].chip == {40}


def test_injection_by_another_is_done_by_the_owner(
    chip: Any, vm: Vm, in_thread: Callable[..., threading.Thread]
) -> None:
    vcpu = vm.vcpus[0]
    outcomes, owners = [], []
    original = chip.record
    chip.record = lambda name, *what: (original(name, *what), owners.append(vcpu.owned) if "inject" in name else None)
    vcpu.load()
    thread = in_thread(lambda: outcomes.append(vm.inject(0, 40, 1)))
    thread.join()
    assert outcomes == [Injected.POSTED]
    assert vcpu.chip == set()
    vcpu.enter()
    assert vcpu.chip == {40}
    assert vcpu.irq_line
    assert owners == [True]
    vcpu.put()


def test_posts_keep_their_order(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    done = []
    for number in range(100):
        vcpu.post(lambda number=number: done.append(number))
    vcpu.adopt()
    vcpu.drain()
    assert done == list(range(100))
    vcpu.release()


def test_refusals_of_posted_work_are_kept(vm: Vm) -> None:
    vcpu = vm.vcpus[0]

    def refuse(number: int) -> None:
        raise VmError(errno.EINVAL, f"refusal {number}")

    for number in range(20):
        vcpu.post(lambda number=number: refuse(number))
    vcpu.adopt()
    vcpu.release()
    assert len(vcpu.inbox_errors) == 16
    assert "refusal 19" in str(vcpu.inbox_errors[-1])


def test_vm_post(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    done = []
    assert vm.post(vcpu, lambda value: done.append(value) or Injected.LATCHED, 1) is Injected.POSTED
    with vm.adopted():
        assert vm.post(vcpu, lambda value: done.append(value) or Injected.LATCHED, 2) is Injected.LATCHED
    assert done == [2, 1]


def test_many_posters_lose_nothing(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    vcpu = vm.vcpus[0]
    total = [0]
    stop = threading.Event()

    def run() -> None:
        vcpu.load()
        while not stop.is_set() or vcpu.inbox:
            vcpu.enter()
            vcpu.leave()
        vcpu.put()

    def add() -> None:
        total[0] += 1

    def poster() -> None:
        for _ in range(2000):
            vcpu.post(add)

    owner = in_thread(run)
    posters = [in_thread(poster) for _ in range(4)]
    for thread in posters:
        thread.join()
    stop.set()
    owner.join()
    assert total == [8000]


# Calling


def test_call_by_the_owner_is_direct(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    with vm.adopted():
        assert vcpu.call(lambda a, b: (a, b, vcpu.owned), 1, 2) == (1, 2, True)
        assert not vcpu.requests


def test_call_of_a_vcpu_without_owner_is_done_by_the_caller(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    assert vcpu.call(lambda: (vcpu.owned, threading.get_ident())) == (True, threading.get_ident())
    assert not vcpu.owned


def test_call_does_first_what_was_posted_before(vm: Vm) -> None:
    vcpu = vm.vcpus[0]
    order = []
    vcpu.post(lambda: order.append("posted"))
    vcpu.call(order.append, "called")
    assert order == ["posted", "called"]


def test_call_of_a_running_vcpu_is_done_by_its_owner(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    vcpu = vm.vcpus[0]
    stop = threading.Event()
    owner = []

    def run() -> None:
        owner.append(threading.get_ident())
        vcpu.load()
        while not stop.is_set():
            vcpu.enter()
            vcpu.leave()
        vcpu.put()

    in_thread(run)
    wait_for(lambda: vcpu.loaded)
    for _ in range(50):
        assert vcpu.call(threading.get_ident) in (owner[0], threading.get_ident())
    assert vcpu.call(lambda: vcpu.owned)
    stop.set()


def test_call_raises_what_the_function_raises(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    vcpu = vm.vcpus[0]
    stop = threading.Event()

    def run() -> None:
        vcpu.load()
        while not stop.is_set():
            vcpu.enter()
            vcpu.leave()
        vcpu.put()

    in_thread(run)
    wait_for(lambda: vcpu.loaded)
    with pytest.raises(ZeroDivisionError):
        vcpu.call(lambda: 1 / 0)
    stop.set()


def test_an_end_of_the_program_is_the_owners_too(vm: Vm) -> None:
    vcpu = vm.vcpus[0]

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vcpu.call(interrupt)
    assert not vcpu.owned


def test_two_owners_that_call_each_other_do_not_hang(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    both = threading.Barrier(2)
    answers = []

    def run(mine: int, other: int) -> None:
        vm.vcpus[mine].load()
        both.wait()
        for round_ in range(100):
            answers.append(vm.vcpus[other].call(lambda round_=round_: (other, round_, vm.vcpus[other].owned)))
        vm.vcpus[mine].put()

    threads = [in_thread(run, 0, 1), in_thread(run, 1, 0)]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(answers) == 200
    assert all(owned for _, _, owned in answers)


def test_ring_of_owners_does_not_hang(
    chip: Any, make_vm: Callable[..., Vm], in_thread: Callable[..., threading.Thread]
) -> None:
    vm = make_vm(type(chip)(), cpus=4)
    all_ = threading.Barrier(4)
    done = []

    def run(mine: int) -> None:
        vm.vcpus[mine].load()
        all_.wait()
        for _ in range(20):
            done.append(vm.vcpus[(mine + 1) % 4].call(lambda: True))
        vm.vcpus[mine].put()

    for mine in range(4):
        in_thread(run, mine)
    wait_for(lambda: len(done) == 80, 10)


def test_call_wakes_a_vcpu_that_sleeps(vm: Vm, in_thread: Callable[..., threading.Thread]) -> None:
    vcpu = vm.vcpus[0]

    def run() -> None:
        vcpu.load()
        vcpu.wait(5.0)
        vcpu.put()

    in_thread(run)
    wait_for(lambda: vcpu.blocked)
    started = time.monotonic()
    assert vcpu.call(lambda: vcpu.owned)
    assert time.monotonic() - started < 2
