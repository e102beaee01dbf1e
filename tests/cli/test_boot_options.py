"""What `dtb` and `dts` add to a tree when asked: by a boot loader's options, and what a guest needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from irqframe.dt import Tree, load

Run = Callable[..., subprocess.CompletedProcess[str]]

BARE = """/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    interrupt-parent = <&rvid>;
    cpus {
        #address-cells = <1>;
        #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,armv8"; reg = <0>; };
        cpu@1 { device_type = "cpu"; compatible = "arm,armv8"; reg = <1>; };
    };
    rvid: rvid {
        compatible = "arm,rvid";
        interrupt-parent = <&rvic>;
        interrupt-controller;
        #interrupt-cells = <2>;
        #address-cells = <0>;
        irqframe,level-inputs;
    };
    // Behind the other one, to which the timer's specifiers would mean something else.
    rvic: rvic { compatible = "arm,rvic"; interrupt-controller; #interrupt-cells = <2>; #address-cells = <0>; };
    clock: clock { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <1000>; };
    serial@9000000 {
        compatible = "arm,pl011", "arm,primecell";
        reg = <0 0x9000000 0 0x1000>;
        interrupts = <1 4>;
        clocks = <&clock>, <&clock>;
        clock-names = "uartclk", "apb_pclk";
    };
    %s
};
"""
LACKING = "memory, an enable-method of its CPUs, a psci node, a generic timer, stdout-path in /chosen"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "bare.dts"
    path.write_text(BARE % "")
    return path


def content(tree: Tree) -> list[tuple[str, dict[str, bytes]]]:
    return [(node.path, {name: prop.data for name, prop in node.properties.items()}) for node in tree.walk()]


def written(irqframe: Run, path: Path, *options: str) -> tuple[Tree, str]:
    out = path.with_suffix(".dtb")
    done = irqframe("dtb", path, "-o", out, *options)
    assert done.returncode == 0, done.stderr
    return load(out), done.stderr


def test_what_lacks_is_told_and_not_added(irqframe: Run, bare: Path) -> None:
    tree, err = written(irqframe, bare)
    assert err == f"irqframe: note: {bare} lacks {LACKING}; --bootable adds it\n"
    assert content(tree) == content(load(bare))


def test_bootable_adds_what_lacks(irqframe: Run, bare: Path) -> None:
    tree, err = written(irqframe, bare, "--bootable")
    assert err == f"irqframe: note: {bare}: added {LACKING}\n"
    root = tree.root
    assert root.children["memory@40000000"].cells("reg") == (0, 0x40000000, 0, 0x20000000)
    assert [cpu.strings("enable-method") for cpu in root.children["cpus"].children.values()] == [("psci",)] * 2
    assert root.children["psci"].strings("method") == ("hvc",)
    timer = root.children["timer"]
    assert timer.cells("interrupts") == (29, 4, 30, 4, 27, 4, 26, 4)
    assert timer.u32("interrupt-parent") == root.children["rvic"].phandle
    assert root.children["chosen"].strings("stdout-path") == ("/serial@9000000",)
    again = bare.with_suffix(".dtb")
    done = irqframe("dtb", again, "--bootable", "-o", again)
    assert (done.returncode, done.stderr) == (0, "")
    assert content(load(again)) == content(tree)
    assert irqframe("run", again, "--events", "500").returncode == 0


@pytest.mark.parametrize("machine", ["virt_dts", "rvic_dts"])
def test_a_machine_that_has_everything_stays_as_it_is(
    irqframe: Run, request: pytest.FixtureRequest, tmp_path: Path, machine: str
) -> None:
    path: Path = request.getfixturevalue(machine)
    out = tmp_path / "out.dtb"
    done = irqframe("dtb", "--bootable", path, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert content(load(out)) == content(load(path))


def test_what_a_boot_loader_says(irqframe: Run, rvic_dts: Path) -> None:
    options = ("--append", 'console=ttyAMA0 a="b"', "--initrd", "0x48000000:1M", "--memory", "2G")
    done = irqframe("dts", rvic_dts, *options)
    assert (done.returncode, done.stderr) == (0, "")
    if shutil.which("dtc") is None:
        pytest.skip("dtc is not installed")
    blob = subprocess.run(["dtc", "-q"], input=done.stdout.encode(), capture_output=True, check=True).stdout
    text = subprocess.run(["dtc", "-q", "-I", "dtb"], input=blob, capture_output=True, check=True).stdout.decode()
    for line in (
        r'bootargs = "console=ttyAMA0 a=\"b\"";',
        "linux,initrd-start = <0x00 0x48000000>;",
        "linux,initrd-end = <0x00 0x48100000>;",
        "reg = <0x00 0x40000000 0x00 0x80000000>;",
        'stdout-path = "/serial@9000000";',
    ):
        assert line in text


def test_memory_of_no_bytes_is_filled_in(irqframe: Run, tmp_path: Path) -> None:
    """Trees for boot loaders have `reg` of size 0, to be filled in by one."""
    path = tmp_path / "empty.dts"
    path.write_text(BARE % 'memory@80000000 { device_type = "memory"; reg = <0 0x80000000 0 0>; };')
    assert "lacks memory," in written(irqframe, path)[1]
    tree, err = written(irqframe, path, "--memory", "1G")
    assert "lacks an enable-method" in err
    assert tree.root.children["memory@80000000"].cells("reg") == (0, 0x80000000, 0, 1 << 30)
    tree, _ = written(irqframe, path, "--bootable")
    assert tree.root.children["memory@80000000"].cells("reg") == (0, 0x80000000, 0, 512 << 20)


@pytest.mark.parametrize(
    ("node", "options", "text"),
    [
        (
            'memory@1000 { device_type = "memory"; reg = <0 0x1000 0 0x1000>, <0 0x4000 0 0x1000>; };',
            ("--memory", "1G"),
            "has memory in several ranges",
        ),
        ("psci { };", ("--bootable",), "has a node /psci already"),
    ],
)
def test_what_cannot_be_added(irqframe: Run, tmp_path: Path, node: str, options: tuple[str, ...], text: str) -> None:
    path = tmp_path / "odd.dts"
    path.write_text(BARE % node)
    done = irqframe("dtb", path, *options, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert text in done.stderr
    assert "note:" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--memory", "0"),
        ("--memory", "lots"),
        ("--memory", "-1"),
        ("--memory", "99999999999T"),
        ("--initrd", "0x1000"),
        ("--initrd", "0x1000:0"),
        ("--initrd", "0xffffffffffffffff:2"),
        ("--initrd", ":"),
    ],
)
def test_malformed_options(irqframe: Run, rvic_dts: Path, options: tuple[str, ...]) -> None:
    done = irqframe("dts", rvic_dts, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Invalid value for '{options[0]}'" in done.stderr
