"""What can be run on an irqchip that brings no driver: its injection and its pending state, from outside."""

from __future__ import annotations

from irqframe.errors import GuestError
from irqframe.flow import Injected, SourceKind
from irqframe.guest._account import Account
from irqframe.guest._outcome import Outcome
from irqframe.machine import Machine, MachineSource
from irqframe.vm import Vm


def run_bare(machine: Machine, vm: Vm, events: int) -> Outcome:
    """Raise and lower every source of a machine in turn.

    Args:
        machine: the machine.
        vm: made of it; the calling thread must own every vCPU.
        events: how many raises; at least one per source.

    Returns:
        The outcome: what is raised and latched stays pending, for nobody takes it.

    Raises:
        GuestError: if the irqchip says of a raise that nothing came of it.
    """
    outcome = Outcome([])
    outcome.notes.append(f"{machine.irqchip} brings no guest driver: injection and pending state only")
    accounts = [_account(source, vm) for source in machine.sources]
    outcome.accounts.extend(accounts)
    rounds = max(1, -(-events // max(len(accounts), 1)))
    for _ in range(rounds):
        for source, account in zip(machine.sources, accounts, strict=True):
            account.raised += 1
            outcome.events += 1
            _enter(account, _raise(vm, source))
    pending = sum(1 for vcpu in vm.vcpus if vcpu.runnable)
    outcome.notes.append(f"{pending} of {len(vm.vcpus)} vCPUs have something pending at the end")
    return outcome


def _account(source: MachineSource, vm: Vm) -> Account:
    account = Account(source.name, source.ref.controller.path, len(vm.vcpus))
    account.route = f"{source.source.kind.value} {source.source.number}"
    return account


def _raise(vm: Vm, source: MachineSource) -> Injected:
    number = source.source.number
    if source.source.kind is SourceKind.PPI:
        outcome = vm.inject(0, number, 1)
        vm.inject(0, number, 0)
    else:
        outcome = vm.set_irq(number, 1) if vm.routing.entries else vm.inject(0, number, 1)
        if vm.routing.entries:
            vm.set_irq(number, 0)
        else:
            vm.inject(0, number, 0)
    return outcome


def _enter(account: Account, outcome: Injected) -> None:
    if outcome >= Injected.DROPPED:
        account.dropped[outcome] = account.dropped.get(outcome, 0) + 1
    elif outcome is Injected.COALESCED or account.waiting[0]:
        account.coalesced += 1
    elif outcome is Injected.LATCHED:
        account.waiting[0] = True
    else:
        raise GuestError(f"{account.name}: a raise came to nothing: {outcome.name.lower()}")
