"""`irqframe inspect`: the machine as it is understood, with the way of every interrupt."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_text_says_where_everything_was_written(irqframe: Run, virt_dts: Path) -> None:
    result = irqframe("inspect", virt_dts)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{virt_dts}: 4 CPUs, irqchip gicv2, 55 sources, 1 with MSIs"
    text = virt_dts.read_text().splitlines()
    number = next(n for n, line in enumerate(text, 1) if "interrupt-map = " in line)
    (row,) = (line for line in lines if line.startswith("pcie@10000000 dev 2 INTB "))
    assert row.split("  ")[-1].strip() == f"interrupt-map (:{number}) -> /intc@8000000"
    assert [line.split() for line in lines if line.startswith("cpu@")] == [
        [f"cpu@{n}", f"0x{n}", "psci"] for n in range(4)
    ]
    assert any(line.startswith("PMU ") and "none" in line for line in lines)


def test_the_file_is_named_once(irqframe: Run, virt_dts: Path, virt_dtb: Path) -> None:
    for path in (virt_dts, virt_dtb):
        assert irqframe("inspect", path).stdout.count(str(path)) == 1


def test_a_file_that_is_included_is_named(irqframe: Run, virt_dts: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "board.dtsi").write_text(virt_dts.read_text().replace("/dts-v1/;", ""))
    path = tmp_path / "m.dts"
    path.write_text('/dts-v1/;\n/include/ "parts/board.dtsi"\n/ { pl011@9000000 { interrupts = <0 1 4>; }; };\n')
    lines = irqframe("inspect", path).stdout.splitlines()
    (uart,) = (line for line in lines if line.startswith("pl011@9000000 "))
    (rtc,) = (line for line in lines if line.startswith("pl031@9010000 "))
    assert uart.endswith("interrupts (:3) -> /intc@8000000")
    number = next(n for n, line in enumerate(virt_dts.read_text().splitlines(), 1) if "pl031@9010000 {" in line)
    place = rtc.partition("(")[2].partition(")")[0]
    assert place.startswith("parts/board.dtsi:")
    assert number < int(place.partition(":")[2]) < number + 10


def test_json_schema(irqframe: Run, virt_dtb: Path) -> None:
    result = irqframe("inspect", "--json", virt_dtb)
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert list(report) == [
        "schema",
        "machine",
        "irqchip",
        "cpus",
        "memory",
        "controllers",
        "sources",
        "msis",
        "defaults",
        "unresolved",
        "msi_routes",
        "msi_ranges",
        "intx",
        "findings",
    ]
    assert (report["schema"], report["machine"], report["irqchip"]) == (1, str(virt_dtb), "gicv2")
    assert report["memory"] == [{"address": 0x4000_0000, "size": 0x800_0000}]
    assert [node["node"] for node in report["controllers"]] == ["/intc@8000000", "/intc@8000000/v2m@8020000"]
    assert [cpu["mpidr"] for cpu in report["cpus"]] == [0, 1, 2, 3]
    uart = next(source for source in report["sources"] if source["name"] == "pl011@9000000")
    way = [{"node": "/pl011@9000000", "property": "interrupts", "file": str(virt_dtb), "line": 0, "column": 0}]
    assert uart == {
        "name": "pl011@9000000",
        "node": "/pl011@9000000",
        "kind": "SPI",
        "number": 1,
        "trigger": "LEVEL_HIGH",
        "controller": "/intc@8000000",
        "specifier": [0, 1, 4],
        "way": way,
        "line": "SPI 1",
        "cpus": None,
        "state": "shared line",
        "note": "",
        "cascade": [],
    }
    assert report["controllers"][1] == {
        "node": "/intc@8000000/v2m@8020000",
        "compatible": ["arm,gic-v2m-frame"],
        "irqchip": "gicv2",
        "state": "in use",
        "users": 1,
        "upstream": {
            "property": "",
            "stated": True,
            "controllers": ["/intc@8000000"],
            "specifiers": [],
            "file": str(virt_dtb),
            "line": 0,
            "column": 0,
        },
    }
    (route,) = report["msi_routes"]
    assert (route["rid_base"], route["length"], route["msi_base"]) == (0, 0x10000, 0)
    assert (report["unresolved"], report["msi_ranges"], report["intx"], report["findings"]) == ([], [], [], [])
    assert report["msis"] == [
        {
            "name": "pcie@10000000 MSI",
            "node": "/pcie@10000000",
            "controller": "/intc@8000000/v2m@8020000",
            "devid": 0,
        }
    ]


@pytest.mark.parametrize(("name", "nodes"), [("rvic", ["/rvic", "/rvid"]), ("gicv2", None)])
def test_a_machine_can_be_seen_with_another_irqchip(
    irqframe: Run, virt_dts: Path, name: str, nodes: list[str] | None
) -> None:
    own = json.loads(irqframe("inspect", "--json", virt_dts).stdout)
    other = json.loads(irqframe("inspect", "--json", virt_dts, "--irqchip", name).stdout)
    assert other["irqchip"] == name
    if nodes is None:
        assert other == own
    else:
        assert [node["node"] for node in other["controllers"]] == nodes
        keys = ("name", "node", "kind", "number", "trigger")
        assert [[one[key] for key in keys] for one in other["sources"]] == [
            [one[key] for key in keys] for one in own["sources"]
        ]


def test_what_is_wrong_comes_after_what_is_there(irqframe: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.dts"
    path.write_text("/dts-v1/;\n/ { };\n")
    result = irqframe("inspect", path)
    assert result.returncode == 1
    assert result.stdout == f"{path}: 0 CPUs, served by no installed irqchip, 0 sources\n"
    assert "error[E0433]" in result.stderr
    report = json.loads(irqframe("inspect", "--json", path).stdout)
    assert [finding["code"] for finding in report["findings"]] == ["E0433"]


@pytest.mark.parametrize("command", ["run", "dts", "inspect"])
def test_retargeting_needs_who_serves_the_machine_as_it_is(
    irqframe: Run, virt_dts: Path, tmp_path: Path, command: str
) -> None:
    other = tmp_path / "other.dts"
    other.write_text(virt_dts.with_name("virt-gicv3.dts").read_text().replace("arm,gic-v3", "acme,gic-3"))
    why = "--irqchip reads the machine's own controller first, so an irqchip that serves it must be installed; "
    own = irqframe("run", other).stderr
    assert "error[E0601]" in own
    assert why not in own
    assert irqframe(command, other, "--irqchip", "rvic").stderr == own.replace("= hint: `", f"= hint: {why}`")


BOARD = """/dts-v1/;
/ {
    #address-cells = <1>;
    #size-cells = <1>;
    interrupt-parent = <&gic>;

    cpus {
        #address-cells = <1>;
        #size-cells = <0>;

        cpu@100 {
            device_type = "cpu";
            reg = <0x100>;
        };
    };

    gic: interrupt-controller@8000000 {
        compatible = "arm,gic-v3";
        reg = <0x8000000 0x1000>;
        interrupt-controller;
        #interrupt-cells = <3>;
        #address-cells = <0>;
    };

    gpio: gpio@9000000 {
        compatible = "example,gpio";
        reg = <0x9000000 0x1000>;
        interrupt-controller;
        #interrupt-cells = <2>;
        interrupts = <0 50 4>, <0 51 4>;
    };

    expander: expander {
        interrupt-controller;
        #interrupt-cells = <2>;
        interrupts-extended = <&gpio 7 2>;
    };

    button {
        interrupt-parent = <&expander>;
        interrupts = <3 1>;
    };

    timer {
        compatible = "arm,armv8-timer";
        interrupts = <1 13 4>;
    };

    frame: frame {
        msi-controller;
        msi-ranges = <&gic 0 700 1 32>;
    };

    off: off {
        interrupt-controller;
        #interrupt-cells = <1>;
        status = "disabled";
    };

    pcie {
        device_type = "pci";
        #address-cells = <3>;
        #size-cells = <2>;
        #interrupt-cells = <1>;
        msi-parent = <&frame>;
        interrupt-map-mask = <0 0 0 7>;
        interrupt-map = <0 0 0 1 &gic 0 60 4>, <0 0 0 2 &gic 0 61 4>;

        bridge@1,0 {
            reg = <0x800 0 0 0 0>;

            nic@1,0 {
                reg = <0x10800 0 0 0 0>;
            };
        };
    };
};
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.dts"
    path.write_text(BOARD)
    return path


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(BOARD.splitlines(), 1) if text in line)


def row(result: subprocess.CompletedProcess[str], begins: str) -> str:
    (found,) = (line for line in result.stdout.splitlines() if line.startswith(begins + " "))
    return found


def test_a_board_needs_no_irqchip(irqframe: Run, board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_plugins = irqframe("inspect", board)
    monkeypatch.setenv("IRQFRAME_LOAD_PLUGINS", "")
    result = irqframe("inspect", board)
    assert vars(result) == vars(with_plugins)
    # The one thing to say: Linux does not swizzle at a bridge that has a node.
    assert result.returncode == 0
    assert result.stderr.splitlines()[-1] == "1 warning"
    assert "warning[W0414]" in result.stderr
    heading = f"{board}: 1 CPU, served by no installed irqchip, 7 sources, 1 with MSIs"
    assert result.stdout.splitlines()[0] == heading
    assert row(result, "cpu@100").split() == ["cpu@100", "0x100"]
    assert result.stdout.splitlines()[-1] == "1 controller not shown: disabled"


def test_a_cascade_is_shown_to_its_end(irqframe: Run, board: Path) -> None:
    result = irqframe("inspect", board)
    way = (
        f"interrupts (:{line_of('<3 1>')}) -> /expander"
        f" -> interrupts-extended (:{line_of('<&gpio 7 2>')}) line 7 -> /gpio@9000000"
        f" -> interrupts (:{line_of('<0 50 4>')}) SPI 50, SPI 51 -> /interrupt-controller@8000000"
    )
    assert row(result, "button").split(maxsplit=5)[1:] == ["line", "3", "edge", "rising", way]
    assert row(result, "timer (sec-phys)").split()[2:6] == ["PPI", "29", "level", "high"]
    report = json.loads(irqframe("inspect", "--json", board).stdout)
    (button,) = (one for one in report["sources"] if one["name"] == "button")
    assert button["cascade"] == ["/gpio@9000000", "/interrupt-controller@8000000"]
    assert (button["kind"], button["number"], button["trigger"]) == (None, None, None)
    states = {one["node"]: one["state"] for one in report["controllers"]}
    assert (states["/expander"], states["/off"]) == ("in use", "disabled")


def test_msi_ranges_and_pci_pins_are_shown(irqframe: Run, board: Path) -> None:
    result = irqframe("inspect", board)
    assert f"SPI 700 and the 31 after it  /interrupt-controller@8000000  :{line_of('msi-ranges')}" in result.stdout
    assert row(result, "/pcie any device").split()[3:9] == ["SPI", "60", "SPI", "61", "-", "-"]
    # Device 1 behind the bridge: its INTA is the bridge's INTB, its INTD the bridge's INTA.
    assert row(result, "/pcie/bridge@1,0/nic@1,0").split()[1:7] == ["SPI", "61", "-", "-", "SPI", "60"]
    report = json.loads(irqframe("inspect", "--json", board).stdout)
    assert report["msi_ranges"] == [
        {
            "node": "/frame",
            "controller": "/interrupt-controller@8000000",
            "first": [0, 700, 1],
            "length": 32,
            "file": str(board),
            "line": line_of("msi-ranges"),
            "column": 23,
        }
    ]


def test_what_does_not_resolve_is_a_source_with_its_reason(irqframe: Run, board: Path) -> None:
    board.write_text(BOARD.replace("interrupt-parent = <&expander>", "interrupt-parent = <&off>"))
    result = irqframe("inspect", board)
    assert result.returncode == 1
    assert "error[E0411]" in result.stderr
    assert result.stdout.splitlines()[0].endswith(", 6 sources, 1 with MSIs, 1 unresolved")
    assert row(result, "button").split()[1] == "unresolved"
    report = json.loads(irqframe("inspect", "--json", board).stdout)
    assert [one["node"] for one in report["unresolved"]] == ["/button"]
    assert [one["code"] for one in report["findings"]] == ["E0411", "W0414"]


def test_check_finds_the_same(irqframe: Run, virt_dts: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.dts"
    wrong = "a: a { interrupt-controller; #interrupt-cells = <1>; interrupts-extended = <&b 1>; };"
    wrong += "b: b { interrupt-controller; #interrupt-cells = <1>; interrupts-extended = <&a 1>; };"
    wrong += "frame { msi-controller; msi-ranges = <&a 1 0>; };"
    path.write_text(virt_dts.read_text().rstrip().removesuffix("};") + wrong + "\n};\n")
    for command in ("check", "inspect"):
        found = json.loads(irqframe(command, "--json", path).stdout)["findings"]
        assert {"E0415", "E0427"} <= {finding["code"] for finding in found}


PARTITIONED = """\
/dts-v1/;
/ {
    compatible = "acme,board";
    model = "Acme board";
    #address-cells = <1>;
    #size-cells = <1>;
    interrupt-parent = <&gic>;
    cpus { #address-cells = <1>; #size-cells = <0>; CPUS };
    gic: interrupt-controller@8000000 {
        compatible = "arm,gic-v3";
        reg = <0x8000000 0x10000>, <0x80a0000 0x100000>;
        interrupt-controller;
        #interrupt-cells = <4>;
        #address-cells = <0>;
        ppi-partitions {
            little: interrupt-partition-0 { affinity = <&cpu0 &cpu1 &cpu2 &cpu5>; };
            big: interrupt-partition-1 { affinity = <&cpu4 &cpu3>; };
        };
    };
    pmu-little { compatible = "arm,cortex-a53-pmu"; interrupts = <1 7 4 &little>; };
    pmu-big { compatible = "arm,cortex-a72-pmu"; interrupts = <1 7 4 &big>; };
    timer { compatible = "arm,armv8-timer"; interrupts = <1 13 4 0>, <1 14 4 0>, <1 11 4 0>, <1 10 4 0>; };
};
"""


@pytest.fixture
def partitioned(tmp_path: Path) -> Path:
    """A machine with six CPUs, and a PPI that two partitions share."""
    cpus = "".join(
        f'cpu{n}: cpu@{n} {{ device_type = "cpu"; compatible = "arm,cortex-a53"; reg = <{n}>; }};' for n in range(6)
    )
    path = tmp_path / "partitioned.dts"
    path.write_text(PARTITIONED.replace("CPUS", cpus), encoding="utf-8")
    return path


def test_the_cpus_of_a_partition_are_shown(irqframe: Run, partitioned: Path) -> None:
    result = irqframe("inspect", partitioned)
    assert result.returncode == 0
    lines = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert "  PPI 23 of cpu@0..cpu@2, cpu@5  " in lines["pmu-little"]
    assert "  PPI 23 of cpu@3, cpu@4  " in lines["pmu-big"]
    assert "  PPI 27  " in lines["timer (virt)"]
    report = json.loads(irqframe("inspect", partitioned, "--json").stdout)
    assert {one["name"]: one["cpus"] for one in report["sources"]} == {
        "pmu-little": [0, 1, 2, 5],
        "pmu-big": [3, 4],
        **{f"timer ({kind})": None for kind in ("sec-phys", "phys", "virt", "hyp-phys")},
    }


@pytest.mark.parametrize("chip", ["gicv2", "rvic"])
def test_partitions_go_with_the_irqchip(irqframe: Run, partitioned: Path, chip: str) -> None:
    assert irqframe("check", partitioned).returncode == 0
    result = irqframe("inspect", partitioned, "--irqchip", chip)
    assert result.returncode == 1
    said = "error[E0604]: /pmu-big and /pmu-little both have PPI 23, each on a partition of the CPUs"
    assert f"{said}, and {chip} gets no partitions\n" in result.stderr
    assert result.stderr.count("error[") == 1
