"""A tree with fewer CPUs than it was written with, or more."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqframe import dt
from irqframe.errors import InputError, IrqframeError
from irqframe.machine import build, load_machine, with_cpus

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def affinities(tree: dt.Tree) -> list[int]:
    return [cpu.mpidr for cpu in dt.cpus(tree)[0]]


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("virt-gicv2", 1, [0]),
        ("virt-gicv2", 4, [0, 1, 2, 3]),
        ("virt-gicv2", 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("virt-gicv3", 18, [*range(16), 0x100, 0x101]),
        ("virt-rvic", 3, [0, 1, 0x100]),
        ("virt-rvic", 6, [0, 1, 0x100, 0x101, 2, 3]),
    ],
)
def test_a_machine_has_as_many_cpus_as_it_is_told(name: str, number: int, expected: list[int]) -> None:
    tree = dt.load(str(EXAMPLES / f"{name}.dts"))
    before = dt.to_dtb(tree)
    made = with_cpus(tree, number)
    assert affinities(made) == expected
    assert dt.to_dtb(tree) == before
    machine = load_machine(made)
    vm = build(machine)
    assert [vcpu.mpidr for vcpu in vm.vcpus] == expected
    assert all(cpu.enable_method == "psci" for cpu in machine.cpus) or number == 1
    vm.destroy()


def test_the_same_number_is_the_same_tree() -> None:
    tree = dt.load(str(EXAMPLES / "virt-gicv2.dts"))
    assert with_cpus(tree, 4) is tree


def test_the_map_of_cpus_goes_with_a_cpu() -> None:
    tree = dt.load(str(EXAMPLES / "virt-gicv2.dts"))
    node = tree.node("/cpus")
    assert node is not None
    node.add(dt.Node("cpu-map", node.span))
    assert "cpu-map" in with_cpus(tree, 5).root.children["cpus"].children
    assert "cpu-map" not in with_cpus(tree, 3).root.children["cpus"].children


def test_what_cannot_be() -> None:
    tree = dt.load(str(EXAMPLES / "virt-gicv2.dts"))
    for number in (0, -1, 513):
        with pytest.raises(IrqframeError, match=f"1 to 512 CPUs, not {number}"):
            with_cpus(tree, number)
    # A GICv2 has eight CPU interfaces.
    with pytest.raises(InputError):
        load_machine(with_cpus(tree, 9))


def test_redistributors_without_room_are_a_finding() -> None:
    tree = dt.load(str(EXAMPLES / "virt-gicv3.dts"))
    with pytest.raises(InputError) as caught:
        load_machine(with_cpus(tree, 200))
    assert {finding.code for finding in caught.value.findings} == {"E0618"}
