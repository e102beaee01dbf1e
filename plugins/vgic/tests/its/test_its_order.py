"""Commands and messages in the order in which they came: also for vCPUs of the thread that writes the commands."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from irqframe import Injected


def sent_by_a_device(made: Any, device: int, event: int) -> Injected:
    """A message from a thread that owns no vCPU."""
    sent: list[Injected] = []
    thread = threading.Thread(target=lambda: sent.append(made.message(device, event)))
    thread.start()
    thread.join()
    return sent[0]


@pytest.fixture
def one(bench: Any) -> Any:
    """A bench whose device 3 has event 0, LPI 8200 on CPU 0."""
    made = bench().on()
    made.device(3, (0, 8200, 0))
    return made


def after_a_message(made: Any, *commands: tuple[int, ...]) -> None:
    """A device sends event 0 of device 3, and then the commands are done."""
    at = made.queue(*commands)
    assert sent_by_a_device(made, 3, 0) is Injected.POSTED
    made.w(0x88, at)
    assert made.r(0x90) == at


@pytest.mark.parametrize("command", ["DISCARD", "CLEAR"])
def test_a_message_is_cleared_by_the_command_behind_it(one: Any, command: str) -> None:
    after_a_message(one, one.of_event(command, 3, 0), one.sync(0))
    assert one.taken(0) == [] and one.counters(0).withdrawn == 1 and one.balanced()


def test_a_message_moves_with_the_command_behind_it(one: Any) -> None:
    after_a_message(one, one.movi(3, 0, 1), one.sync(0), one.sync(1))
    assert one.taken(0) == [] and one.taken(1) == [8200] and one.balanced()
    after_a_message(one, one.movall(1, 0), one.sync(1), one.sync(0))
    assert one.taken(1) == [] and one.taken(0) == [8200] and one.balanced()


def test_a_sync_does_what_waits_for_a_vcpu_of_the_writers(one: Any) -> None:
    """And that may need the ITS: it sends a message that nobody has translated yet."""
    at = one.queue(one.sync(0), one.of_event("CLEAR", 3, 0))
    one.vm.vcpus[0].inbox.append(lambda: one.message(3, 0))
    one.w(0x88, at)
    assert one.taken(0) == [] and one.counters(0).withdrawn == 1


def test_stores_of_a_cpu_wait_while_the_target_has_much_to_do(one: Any) -> None:
    """vCPU 1 belongs to nobody, and vCPU 0 stores messages for it without end."""
    one.device(0, (0, 8201, 1))
    one.vm.vcpus[1].release()
    most = 0
    for _ in range(2000):
        one.w(0x1_0040, 0, 4)
        most = max(most, len(one.vm.vcpus[1].inbox))
    one.vm.vcpus[1].adopt()
    one.vm.vcpus[1].drain()
    assert most <= 300 and one.counters(1).raised == 2000 and one.taken(1) == [8201]


# What waits


def restored_in_the_middle(bench: Any) -> Any:
    """A bench as saved when one of three commands was done."""
    made = bench().on()
    made.device(3, (0, 8200, 0), (1, 8201, 0))
    before = made.its.queue.creadr
    made.do(*(made.of_event("INT", 3, event) for event in (0, 1, 0)))
    saved = json.loads(json.dumps(made.its.save())) | {"creadr": before + 32}
    other = bench()
    base, size = made.vm.memory.regions[0]
    for at in range(0, size, 1 << 20):
        other.poke(base + at, made.vm.memory.read(base + at, 1 << 20))
    for index, cpu in enumerate(other.cpus):
        other.enable_lpis(cpu, other.PEND + index * 0x1_0000)
    other.its.restore(saved)
    return other


def test_commands_that_waited_are_done_when_the_guest_looks(bench: Any) -> None:
    made = restored_in_the_middle(bench)
    assert made.r(0x90) == made.r(0x88) and made.taken() == [8200, 8201]


def test_commands_that_waited_are_done_when_a_vcpu_is_loaded(bench: Any) -> None:
    made = restored_in_the_middle(bench)
    made.vm.vcpus[0].load()
    assert made.its.queue.creadr == made.its.queue.cwriter and made.taken() == [8200, 8201]
    made.vm.vcpus[0].put()


def test_a_look_at_a_disabled_its_does_nothing(bench: Any) -> None:
    made = restored_in_the_middle(bench)
    made.w(0, 0, 4)
    waits = made.its.queue.creadr
    assert made.r(0x90) == waits != made.r(0x88)
    made.w(0, 1, 4)
    assert made.r(0x90) == made.r(0x88)


def test_a_look_while_commands_are_done_leaves_them_to_who_does_them(one: Any) -> None:
    looks: list[int] = []
    at = one.queue(one.of_event("INT", 3, 0), one.of_event("CLEAR", 3, 0))
    one.vm.vcpus[0].inbox.append(lambda: looks.append(one.r(0x90)))
    one.w(0x88, at)
    assert looks == [at - 32]


# Registers


def test_a_disabled_its_has_forgotten_what_it_translated(one: Any) -> None:
    assert one.message(3, 0) is Injected.LATCHED
    one.w(0, 0, 4)
    assert one.message(3, 0) is Injected.DROPPED_DISABLED


def test_a_reset_of_the_machine_resets_the_its(one: Any) -> None:
    fresh = type(one)().its.save()
    assert one.its.save() != fresh
    one.vm.reset()
    assert one.its.save() == fresh and one.message(3, 0) is Injected.DROPPED_DISABLED
