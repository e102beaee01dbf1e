"""Plugins that break the contract: a clear error that names the plugin, the hook and the line, and exit code 1.

Each is a distribution of its own on the path, found through its entry point as any other. Its chip is a real one with
one method broken.
"""

from __future__ import annotations

import importlib
import itertools
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent

import pytest

from irqframe.dt import load, to_dtb
from irqframe.flow import CALLBACKS, LOAD_PLUGINS, arguments

Run = Callable[..., subprocess.CompletedProcess[str]]
Install = Callable[..., Path]

BASES = {
    "gicv2": "from irqframe_vgic import Gicv2 as Base",
    "rvic": "from irqframe_rvic import Rvic as Base",
}
MODULE = """\
from irqframe import hookimpl
{base}


class Chip(Base):
    bindings = ()

{body}"""

# Callbacks that `irqframe run` never reaches, and why.
NOT_REACHED = {
    "inject_userspace_irq": "devices raise GSIs, not KVM_IRQ_LINE",
    "unmap_phys_irq": "the timers keep their interrupt for ever",
    "set_irq_inatomic": "the irqfd thread's; `run` injects synchronously",
    "set_attr": "the machine is configured from the tree",
    "get_attr": "as set_attr",
    "has_attr": "as set_attr",
    "save_state": "a run is not saved",
    "restore_state": "as save_state",
    "debugfs": "shown on demand only",
    "delivered": "`boot` compares by INTID; a scripted guest knows its sources",
    "identify": "as delivered",
    "waiting": "as delivered",
}
RETARGETING = ("describe", "encode")

_numbers = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a plugin called `stranger` for one test: (base chip, methods, other plugins to load) -> its file."""

    def make(base: str, body: str, *others: str) -> Path:
        # A name of its own: modules stay in sys.modules.
        package = f"stranger_{next(_numbers)}"
        file = tmp_path / package / "__init__.py"
        file.parent.mkdir()
        file.write_text(MODULE.format(base=BASES[base], body=indent(body, "    ")))
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: irqframe-stranger\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[irqframe]\nstranger = {package}:Chip\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv(LOAD_PLUGINS, ",".join(("stranger", *others)))
        return file

    yield make
    importlib.invalidate_caches()


def hook(name: str, work: str) -> str:
    return f"@hookimpl\ndef irqchip_{name}(self, {', '.join(arguments(name))}):\n    {work}\n"


def run_with(irqframe: Run, base: str, name: str, machines: dict[str, Path]) -> subprocess.CompletedProcess[str]:
    """Run a machine so that callback `name` of a chip made of `base` is reached, if a run reaches it at all."""
    if name in RETARGETING:
        other = "rvic" if base == "gicv2" else "gicv2"
        return irqframe("run", machines[other], "--irqchip", "stranger", "--events", "300")
    return irqframe("run", machines[base], "--events", "300")


def others(base: str, name: str) -> tuple[str, ...]:
    """What else must be installed to reach `name`."""
    return (("rvic",) if base == "gicv2" else ("gicv2",)) if name in RETARGETING else ()


@pytest.fixture
def machines(virt_dts: Path, rvic_dts: Path) -> dict[str, Path]:
    return {"gicv2": virt_dts, "rvic": rvic_dts}


def line_of(file: Path, text: str) -> int:
    return file.read_text().splitlines().index(text) + 1


def failed(result: subprocess.CompletedProcess[str]) -> str:
    """The message of a run that ended as it should."""
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("irqframe: error: ").rstrip("\n")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_that_raises(
    irqframe: Run, install: Install, machines: dict[str, Path], base: str, name: str
) -> None:
    body = hook(name, 'raise ValueError("on purpose")')
    if name != "bind":  # what it offers would hide the class's own methods
        body += "\n" + hook("bind", "return {}")
    file = install(base, body, *others(base, name))
    result = run_with(irqframe, base, name, machines)
    if name in NOT_REACHED:
        assert result.returncode == 0, f"{name} is reached: {NOT_REACHED[name]!r} is no longer true"
        return
    line = line_of(file, '        raise ValueError("on purpose")')
    assert failed(result) == f"plugin 'stranger': irqchip_{name} raised ValueError: on purpose at {file}:{line}"


def test_every_callback_that_is_not_reached_exists() -> None:
    assert set(NOT_REACHED) < set(CALLBACKS)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ["translate", "vcpu_init", "create"])
@pytest.mark.parametrize("error", ["KeyError('x')", "RecursionError()", "OSError(5, 'x')", "AssertionError"])
def test_whatever_it_raises(
    irqframe: Run, install: Install, machines: dict[str, Path], base: str, name: str, error: str
) -> None:
    install(base, hook(name, f"raise {error}"))
    kind = error.partition("(")[0]
    assert failed(run_with(irqframe, base, name, machines)).startswith(
        f"plugin 'stranger': irqchip_{name} raised {kind}: "
    )


def test_a_plugin_that_ends_the_process_does_not_end_it_well(
    irqframe: Run, install: Install, machines: dict[str, Path]
) -> None:
    install("rvic", hook("vcpu_load", "raise SystemExit(0)"))
    assert irqframe("run", machines["rvic"]).returncode != 0


@pytest.mark.parametrize("command", ["check", "inspect", "dts", "run"])
def test_every_command_blames_the_plugin(
    irqframe: Run, install: Install, machines: dict[str, Path], command: str
) -> None:
    install("rvic", hook("translate", "return [][1]"))
    message = failed(irqframe(command, machines["rvic"]))
    assert message.startswith("plugin 'stranger': irqchip_translate raised IndexError: ")


# What cannot be loaded


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def __init__(self, *a):\n    raise ValueError('no')\n", "cannot be made: ValueError: no"),
        ("@hookimpl\ndef irqchip_nope(self, vm): ...\n", "irqchip_nope"),
        ("@hookimpl\ndef irqchip_create(self, machine): ...\n", "machine"),
    ],
    ids=["constructor", "unknown hook", "unknown argument"],
)
def test_a_broken_plugin_takes_nobody_down(
    irqframe: Run, install: Install, machines: dict[str, Path], body: str, message: str
) -> None:
    install("gicv2", body, "rvic")
    result = irqframe("check", machines["rvic"])
    assert result.returncode == 0
    assert result.stderr.startswith("irqframe: warning: plugin 'stranger' of irqframe-stranger 1.0 is not usable: ")
    assert message in result.stderr
    listed = irqframe("plugins")
    assert listed.returncode == 1
    assert "broken: " in listed.stdout
    asked = irqframe("run", machines["rvic"], "--irqchip", "stranger")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "irqframe: error: plugin 'stranger': irqframe-stranger: " in asked.stderr


def test_arguments_in_another_order_are_refused_with_their_line(
    irqframe: Run, install: Install, machines: dict[str, Path]
) -> None:
    body = "@hookimpl\ndef irqchip_vcpu_init(self, vcpu):\n    super().irqchip_vcpu_init(vcpu)\n\n"
    body += "@hookimpl\ndef irqchip_reset(self, vcpu, vm): ...\n"
    file = install("rvic", body)
    message = failed(irqframe("run", machines["rvic"]))
    assert message.startswith("plugin 'stranger': irqchip_reset takes (vcpu, vm), but sealed calls pass (vm, vcpu)")
    assert message.endswith(f"it is defined at {file}:{line_of(file, '    @hookimpl') + 4}")


def test_a_binding_that_is_not_there(irqframe: Run, install: Install, machines: dict[str, Path]) -> None:
    install("rvic", "bindings = ('nope.yaml',)\n")
    assert failed(irqframe("check", machines["rvic"])).startswith("plugin 'stranger': binding nope.yaml: ")


# What returns nonsense


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("translate", "42", "irqchip_translate returned 42, which is no Source"),
        ("translate", "('SPI', 1, 4)", "irqchip_translate returned ('SPI', 1, 4), which is no Source"),
        ("encode", "None", "irqchip_encode returned None, expected a tuple of 32-bit cells"),
        ("encode", "7", "irqchip_encode returned 7, expected a tuple of 32-bit cells"),
        ("encode", "(1 << 32,)", "irqchip_encode returned (4294967296,), expected a tuple of 32-bit cells"),
        ("encode", "('a',)", "irqchip_encode returned ('a',), expected a tuple of 32-bit cells"),
        ("describe", "None", "irqchip_describe returned None, expected a tuple of NodeSpec"),
        ("describe", "()", "irqchip_describe returned (), expected a tuple of NodeSpec"),
        ("describe", "'rvic'", "irqchip_describe returned 'rvic', expected a tuple of NodeSpec"),
        ("describe", "(1,)", "irqchip_describe returned (1,), expected a tuple of NodeSpec"),
        ("counters", "None", "irqchip_counters returned None, which is no Counters"),
        ("counters", "(1, 2)", "irqchip_counters returned (1, 2), which is no Counters"),
        ("guest_driver", "None", "irqchip_guest_driver returned None, which is no Driver"),
        ("bind", "[1]", "irqchip_bind returned [1], expected a mapping of callables"),
    ],
)
@pytest.mark.parametrize("base", BASES)
def test_an_answer_that_is_none(
    irqframe: Run,
    install: Install,
    machines: dict[str, Path],
    base: str,
    name: str,
    answer: str,
    message: str,
) -> None:
    install(base, hook(name, f"return {answer}"), *others(base, name))
    assert failed(run_with(irqframe, base, name, machines)) == f"plugin 'stranger': {message}"


@pytest.mark.parametrize("answer", ["(1 << 32,)", "('a',)", "7"])
def test_a_timer_of_cells_that_are_none(
    irqframe: Run, install: Install, rvic_dts: Path, tmp_path: Path, answer: str
) -> None:
    tree = load(rvic_dts)
    del tree.root.children["timer"]
    machine = tmp_path / "bare.dtb"
    machine.write_bytes(to_dtb(tree))
    install("rvic", hook("encode", f"return {answer}"))
    message = failed(irqframe("dtb", machine, "--bootable", "-o", tmp_path / "out.dtb"))
    returned = "(4294967296,)" if "<<" in answer else answer
    assert message == f"plugin 'stranger': irqchip_encode returned {returned}, expected a tuple of 32-bit cells"


NODE = "from irqframe.flow import NodeSpec, Phandle, SourceKind\n    "


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("NodeSpec('a', {'reg': 5})", "irqchip_describe gives 'reg' the value 5, expected a tuple"),
        (
            "NodeSpec('a', {'compatible': 'arm,rvic'})",
            "irqchip_describe gives 'compatible' the value 'arm,rvic', expected a tuple",
        ),
        ("NodeSpec('a', {'reg': (1, 'x')})", "irqchip_describe gives 'reg' the cell 'x'"),
        ("NodeSpec('a', {'reg': (-1,)})", "irqchip_describe gives 'reg' the cell -1"),
        ("NodeSpec('a', {'p': (Phandle('b'),)})", "irqchip_describe refers to 'b', which it does not name"),
        ("NodeSpec('a', {}), NodeSpec('a', {})", "irqchip_describe names two nodes 'a'"),
        ("NodeSpec('a', {}, (3,))", "irqchip_describe returned 3, expected a NodeSpec with a name"),
        ("NodeSpec(None, {})", "expected a NodeSpec with a name"),
    ],
)
def test_nodes_that_cannot_be_written(
    irqframe: Run, install: Install, machines: dict[str, Path], nodes: str, message: str
) -> None:
    install("rvic", hook("describe", f"{NODE}return ({nodes},)"), "gicv2")
    assert message in failed(irqframe("dts", machines["gicv2"], "--irqchip", "stranger"))


@pytest.mark.parametrize("answer", ["None", "42", "'LATCHED'", "[1]"])
@pytest.mark.parametrize("name", ["inject_irq", "irqfd_set_irq", "set_msi"])
@pytest.mark.parametrize("base", BASES)
def test_an_injection_that_does_not_say_what_became_of_it(
    irqframe: Run, install: Install, machines: dict[str, Path], base: str, name: str, answer: str
) -> None:
    install(base, hook(name, f"return {answer}") + "\n" + hook("bind", "return {}"))
    result = irqframe("run", machines[base])
    message = f"the irqchip says {eval(answer)!r} of a raise, which is no Injected"
    assert result.returncode == 1
    assert message in result.stderr
    assert message in result.stdout.splitlines()[-1]


# Drivers

DRIVER = """\
@hookimpl
def irqchip_guest_driver(self, vm):
    made = super().irqchip_guest_driver(vm)

    class Broken(type(made)):
        def {name}(self, *arguments, **named):
            {work}

    made.__class__ = Broken
    return made
"""


@pytest.mark.parametrize(
    "name",
    [
        "probe",
        "starting",
        "dying",
        "handle_irq",
        "request_percpu",
        "request",
        "send_ipi",
        "set_affinity",
        "alloc_msis",
        "alloc_msis_at",
        "ipi_hwirq",
    ],
)
@pytest.mark.parametrize("base", BASES)
def test_a_driver_that_raises(irqframe: Run, install: Install, machines: dict[str, Path], base: str, name: str) -> None:
    file = install(base, DRIVER.format(name=name, work='raise ValueError("on purpose")'))
    line = line_of(file, '                raise ValueError("on purpose")')
    message = failed(irqframe("run", machines[base], "--events", "300"))
    assert message == f"plugin 'stranger': {name} raised ValueError: on purpose at {file}:{line}"


@pytest.mark.parametrize(
    ("name", "answer"), [("request", "None"), ("request_percpu", "'27'"), ("alloc_msis", "[]"), ("alloc_msis", "None")]
)
@pytest.mark.parametrize("base", BASES)
def test_a_driver_that_returns_nonsense(
    irqframe: Run, install: Install, machines: dict[str, Path], base: str, name: str, answer: str
) -> None:
    install(base, DRIVER.format(name=name, work=f"return {answer}"))
    message = failed(irqframe("run", machines[base], "--events", "300"))
    assert message.startswith(f"plugin 'stranger': its driver's {name} returned {answer}, ")


@pytest.mark.parametrize("base", ["gicv2", "rvic"])
@pytest.mark.parametrize("name", ["delivered", "waiting"])
def test_what_only_boot_calls(
    irqframe: Run, install: Install, machines: dict[str, Path], base: str, name: str, tmp_path: Path
) -> None:
    pytest.importorskip("unicorn", reason="the extra `guest` is not installed")
    file = install(base, hook(name, 'raise ValueError("on purpose")') + "\n" + hook("bind", "return {}"))
    # mov w0, #8; movk w0, #0x8400, lsl #16; hvc #0: PSCI SYSTEM_OFF.
    kernel = tmp_path / "off.bin"
    kernel.write_bytes(struct.pack("<3I", 0x5280_0100, 0x72B0_8000, 0xD400_0002))
    result = irqframe("boot", machines[base], "--kernel", kernel)
    line = line_of(file, '        raise ValueError("on purpose")')
    assert result.returncode == 1
    assert f"plugin 'stranger': irqchip_{name} raised ValueError: on purpose at {file}:{line}" in result.stderr
