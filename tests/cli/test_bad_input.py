"""Bad input: one finding per fault, at its place, exit code 1, and never a traceback."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def codes(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The findings of a check that failed as it should."""
    assert result.returncode == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    found = [line.partition("error[")[2][:5] for line in result.stderr.splitlines() if ": error[" in line]
    assert result.stderr.splitlines()[-1] == f"{len(found)} error{'s' if len(found) != 1 else ''}"
    return found


@pytest.fixture
def edited(rvic_dts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The shipped machine with one text put for another, as `m.dts` in the working directory."""
    monkeypatch.chdir(tmp_path)

    def edit(before: str, after: str) -> Path:
        text = rvic_dts.read_text()
        assert text.count(before) == 1
        Path("m.dts").write_text(text.replace(before, after))
        return Path("m.dts")

    return edit


# Files


def test_a_file_that_is_not_there(irqframe: Run) -> None:
    result = irqframe("check", "missing.dts")
    assert codes(result) == ["E0001"]
    assert result.stderr == "missing.dts: error[E0001]: cannot be read: No such file or directory\n1 error\n"


def test_a_terminal_is_not_made_to_obey_a_source(irqframe: Run, tmp_path: Path) -> None:
    (tmp_path / "m.dts").write_text('/dts-v1/;\n/ { x = "\x1b[31m\x07\x9b"; \x1b[2J };\n')
    result = irqframe("check", tmp_path / "m.dts")
    assert codes(result)[0] == "E0101"
    assert all(character.isprintable() or character == "\n" for character in result.stderr)
    assert "\u241b[2J" in result.stderr


def test_a_folder(irqframe: Run, tmp_path: Path) -> None:
    result = irqframe("check", tmp_path)
    assert codes(result) == ["E0001"]
    assert "is a directory" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\n", b"\0", b"\x7fELF" + bytes(64), b"not a tree"])
def test_a_file_that_is_no_tree(irqframe: Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert codes(irqframe("check", path)) == ["E0003"]


@pytest.mark.parametrize("length", [4, 8, 39, 40, 64, 500, 7440, 7900, 100_000, (1 << 20) - 1])
def test_a_truncated_dtb(irqframe: Run, virt_dtb: Path, tmp_path: Path, length: int) -> None:
    """Whatever is missing besides, it is the length that is wrong: one finding."""
    path = tmp_path / "short.dtb"
    path.write_bytes(virt_dtb.read_bytes()[:length])
    result = irqframe("check", path)
    # Shorter than its header, a DTB has no total size to compare with.
    assert codes(result) == ["E0301" if length < 40 else "E0303"]
    if length >= 40:
        assert (
            f"= expected: 1048576 bytes, the totalsize of its header\n      = found: {length} bytes\n" in result.stderr
        )


@pytest.mark.parametrize("command", ["check", "inspect", "dtb", "dts", "run"])
def test_every_command_says_it_alike(irqframe: Run, command: str) -> None:
    assert irqframe(command, "missing.dts").stderr == irqframe("check", "missing.dts").stderr
    assert irqframe(command, "missing.dts").returncode == 1


# Trees


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ('compatible = "arm,rvic"', 'compatible = "acme,intc"', "E0601"),
        ("\n\tinterrupt-parent = <&rvid>", "\n\tinterrupt-parent = <0xdead>", "E0403"),
        ("\n\tinterrupt-parent = <&rvid>", "\n\tinterrupt-parent = <&nothing>", "E0203"),
        ("interrupts = <2 4>", "interrupts = <2>", "E0402"),
        ("interrupts = <17 1>", "interrupts = <16 1>", "E0604"),
        ("interrupts = <2 4>", "interrupts = <2 3>", "E0610"),
        ("interrupts = <23 4>", "interrupts = <15 4>", "E0603"),
        ("interrupts = <23 4>", "interrupts = <32 4>", "E0603"),
    ],
)
def test_one_fault_is_one_finding(
    irqframe: Run, edited: Callable[..., Path], before: str, after: str, code: str
) -> None:
    assert codes(irqframe("check", edited(before, after))) == [code]


@pytest.mark.parametrize("trusted", [0, 1, 15, 16, 31, 33, 48, 2048, 0x10000, 0xFFFF_FFFF])
def test_trusted_intids_outside_the_limits(irqframe: Run, edited: Callable[..., Path], trusted: int) -> None:
    """T is 32 to 2016, a multiple of 32; what the specifiers mean with a wrong one is nobody's fault."""
    path = edited("irqframe,nr-trusted = <32>", f"irqframe,nr-trusted = <{trusted}>")
    result = irqframe("check", path)
    assert codes(result) == ["E0503"]
    assert result.stderr.startswith("m.dts:70:26: error[E0503]: `irqframe,nr-trusted` has a wrong value\n")


@pytest.mark.parametrize("total", [0, 32, 63, 65, 100, 2080, 0x10000, 0xFFFF_FFFF])
def test_intids_outside_the_limits(irqframe: Run, edited: Callable[..., Path], total: int) -> None:
    """N is 64 to 2048, a multiple of 32."""
    result = irqframe("check", edited("irqframe,nr-total = <512>", f"irqframe,nr-total = <{total}>"))
    assert codes(result) == ["E0503"]
    assert result.stderr.startswith("m.dts:71:24: error[E0503]: `irqframe,nr-total` has a wrong value\n")


@pytest.mark.parametrize(("trusted", "total"), [(512, 512), (544, 512)])
def test_no_intid_is_left_for_the_rvid(irqframe: Run, edited: Callable[..., Path], trusted: int, total: int) -> None:
    """T and N are right apart and contradict each other: the irqchip refuses them when it is built."""
    path = edited(
        "irqframe,nr-trusted = <32>;\n\t\tirqframe,nr-total = <512>",
        f"irqframe,nr-trusted = <{trusted}>;\n\t\tirqframe,nr-total = <{total}>",
    )
    result = irqframe("run", path, "--events", "10")
    assert codes(result) == ["E0607"]


# The exact text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (
            "interrupts = <17 1>",
            "interrupts = <16 1>",
            """\
m.dts:132:17: error[E0604]: /virtio@a000200 and /virtio@a000000 both have SPI 16, which only one of them can
  132 | 		interrupts = <16 1>;
      | 		              ^~
      = expected: a line of its own, or level-triggered sources that share one
      = m.dts:125:17: the other
1 error
""",
        ),
        (
            'compatible = "arm,rvid"',
            'compatible = "acme,intc"',
            """\
m.dts:75:3: error[E0601]: no installed irqchip serves /rvid, where the interrupts of /serial@9000000 and 22 more go
   75 | 		compatible = "acme,intc";
      | 		^~~~~~~~~~
      = expected: one of KNOWN
      = found: acme,intc
      = hint: `irqframe plugins` lists what is installed
1 error
""",
        ),
        (
            "\n\tinterrupt-parent = <&rvid>",
            "\n\tinterrupt-parent = <0xdead>",
            """\
m.dts:10:22: error[E0403]: `interrupt-parent` names a phandle that no node has
   10 | 	interrupt-parent = <0xdead>;
      | 	                    ^~~~~~
      = expected: the phandle of a node in this tree
      = found: 0xdead
1 error
""",
        ),
        (
            "interrupts = <2 4>",
            "interrupts = <2 3>",
            """\
m.dts:117:19: error[E0610]: 3 is no trigger of rVIC
  117 | 		interrupts = <2 3>;
      | 		                ^
      = expected: 1 (edge rising) or 4 (level high)
      = found: 3 in <0x2 0x3>
      = m.dts:74:8: the controller
1 error
""",
        ),
    ],
    ids=["exclusive", "compatible", "phandle", "trigger"],
)
def test_what_is_printed(irqframe: Run, edited: Callable[..., Path], before: str, after: str, text: str) -> None:
    result = irqframe("check", edited(before, after))
    known = result.stderr.partition("expected: one of ")[2].partition("\n")[0]
    assert result.stderr == text.replace("KNOWN", known)


def test_a_dtb_has_the_path_of_the_node_in_place_of_a_line(
    irqframe: Run, edited: Callable[..., Path], tmp_path: Path
) -> None:
    from irqframe.dt import load, to_dtb

    data = to_dtb(load(str(edited("interrupts = <17 1>", "interrupts = <16 1>"))))
    Path("m.dtb").write_bytes(data)
    result = irqframe("check", "m.dtb")
    assert codes(result) == ["E0604"]
    assert result.stderr.startswith(
        "m.dtb: /virtio@a000200: error[E0604]: /virtio@a000200 and /virtio@a000000 both have"
    )
