"""A third plugin, as a stranger writes it, installs it with pip and runs it: the one of docs/plugin-tutorial.md.

The page is the source. What it shows is written to a folder and installed into a temporary environment, which has no
network and sees irqframe, its dependencies and the build backend of the running environment through a .pth file.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "plugin-tutorial.md"
EXAMPLE = ROOT / "docs" / "examples" / "irqframe-toy"

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
MADE_BY_TOOLS = {"__pycache__", "build", "irqframe_toy.egg-info", ".pytest_cache", ".mypy_cache", ".ruff_cache"}

# What pip makes of an entry point when the path of the interpreter is too long for a first line. It finds installed
# packages only, not what lies in the working directory.
SCRIPT = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
from irqframe.cli import main
main()
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of the page: a file, or what a console shows."""

    language: str
    file: str
    text: str

    def steps(self) -> Iterator[tuple[str, str]]:
        """The commands of a console block, each with what it prints."""
        for step in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


@dataclass(frozen=True)
class Stranger:
    """A folder with a distribution in it, and an environment of its own."""

    project: Path
    environment: Path

    def sh(self, command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a reader of the page would, standard error on standard output."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "IRQFRAME"))
        }
        made = {
            "PATH": f"{self.environment / 'bin'}:{os.environ['PATH']}",
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of the option: no isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # What else is installed beside irqframe is not the stranger's matter.
            "IRQFRAME_LOAD_PLUGINS": "toy",
        }
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.project,
            env={**kept, **made, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def output(self, command: str, **more: str) -> str:
        """What a command prints that must succeed."""
        done = self.sh(command, **more)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def json(self, command: str) -> Any:
        """What a command prints as JSON on standard output."""
        return json.loads(self.output(f"{command} 2>/dev/null"))

    def write(self, block: Block) -> None:
        """Make the file that a block shows."""
        path = self.project / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


def blocks() -> list[Block]:
    return [Block(*found.groups(default="")) for found in FENCE.finditer(TUTORIAL.read_text(encoding="utf-8"))]


def stranger_at(folder: Path) -> Stranger:
    """An empty project, and an environment in which irqframe can be imported and pip can build."""
    try:
        old = int(version("setuptools").partition(".")[0]) < 77
        version("pip")
    except PackageNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    if old:
        pytest.skip("setuptools is older than 77, which the plugin's pyproject.toml asks for")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    base = {"base": str(environment), "platbase": str(environment)}
    site = Path(sysconfig.get_path("purelib", "venv", base))
    outside = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    # `addsitedir`, not the bare path: .pth files there are how an editable irqframe is found.
    lines = [f"import site; site.addsitedir({path!r})" for path in outside]
    (site / "outside.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    script = environment / "bin" / "irqframe"
    script.write_text(SCRIPT.format(python=environment / "bin" / "python"), encoding="utf-8")
    script.chmod(0o755)
    project = folder / "irqframe-toy"
    project.mkdir()
    return Stranger(project, environment)


def installed_at(folder: Path) -> Stranger:
    stranger = stranger_at(folder)
    for block in blocks():
        if block.file:
            stranger.write(block)
    stranger.output("python -m pip install --quiet .")
    return stranger


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """The plugin installed; tests leave it as it is."""
    return installed_at(tmp_path_factory.mktemp("stranger"))


def without_times(text: str) -> str:
    return re.sub(r"in [\d.]+ ?s(: [\d,]+ events/s)?$", "in no time", text, flags=re.MULTILINE)


def as_shown_here(text: str) -> str:
    """What the page shows, where the compiled part is not built: the page was written where it is."""
    if find_spec("irqframe._native") is not None:
        return text
    there = "make: Python; the compiled part is not built, or IRQFRAME_PURE refuses it"
    return re.sub(r"^make: compiled;.*$", there, text, flags=re.MULTILINE)


# The page


def test_the_page_shows_the_files_of_the_example() -> None:
    shown = {block.file: block.text.encode() for block in blocks() if block.file}
    shipped = {
        str(path.relative_to(EXAMPLE)): path.read_bytes()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and MADE_BY_TOOLS.isdisjoint(path.relative_to(EXAMPLE).parts)
    }
    assert sorted(shown) == sorted(shipped)
    for name, content in shown.items():
        assert content.decode() == shipped[name].decode(), f"{name} differs"


def test_every_block_of_the_page_is_a_file_or_a_console() -> None:
    fences = TUTORIAL.read_text(encoding="utf-8").count("\n```")
    assert len(blocks()) * 2 == fences
    assert [block for block in blocks() if not block.file and block.language != "console"] == []


def test_a_reader_who_follows_the_page_sees_what_it_shows(tmp_path: Path) -> None:
    reader = stranger_at(tmp_path)
    for block in blocks():
        if block.file:
            reader.write(block)
            continue
        for command, expected in block.steps():
            shown = without_times(as_shown_here(expected))
            assert f"$ {command}\n{without_times(reader.output(command))}" == f"$ {command}\n{shown}"


# The plugin


def test_the_plugin_is_listed(installed: Stranger) -> None:
    [plugin] = installed.json("irqframe plugins --json")["plugins"]
    assert (plugin["name"], plugin["distribution"], plugin["error"]) == ("toy", "irqframe-toy", "")
    assert plugin["compatible"] == ["example,toy-intc"]


def test_nothing_has_to_be_set_for_it_to_be_found(installed: Stranger) -> None:
    listed = json.loads(installed.sh("env -u IRQFRAME_LOAD_PLUGINS irqframe plugins --json").stdout)["plugins"]
    assert "toy" in [plugin["name"] for plugin in listed if not plugin["error"]]


def test_the_command_line_is_a_module_too(installed: Stranger) -> None:
    assert installed.output("python -m irqframe plugins --json") == installed.output("irqframe plugins --json")


def test_every_interrupt_of_its_machine_is_accounted_for(installed: Stranger) -> None:
    report = installed.json("irqframe run --json --events 5000 toy.dts")
    assert (report["irqchip"], report["accounted"], report["events"] >= 5000) == ("toy", True, True)
    assert [source["name"].partition("@")[0] for source in report["sources"]] == ["serial", "rtc", "virtio", "virtio"]
    for source in report["sources"]:
        assert source["delivered"][0] > 0
        assert source["raised"] == sum(source["delivered"]) + source["coalesced"]
        assert (source["dropped"], source["pending"]) == ({}, 0)
    assert any(source["coalesced"] for source in report["sources"])
    assert not [note for note in report["notes"] if "counts nothing" in note or "no guest driver" in note]


def test_the_same_seed_gives_the_same_report(installed: Stranger) -> None:
    runs = [installed.json("irqframe run --json --seed 7 --events 1000 toy.dts") for _ in range(2)]
    assert [run.pop("timing") for run in runs]
    assert runs[0] == runs[1]


def test_the_installed_package_needs_no_private_import(installed: Stranger) -> None:
    folder = Path(installed.output("python -P -c 'import irqframe_toy; print(irqframe_toy.__path__[0])'").strip())
    assert folder.is_relative_to(installed.environment)
    imported = {(module, name) for path in folder.rglob("*.py") for module, name in _imports(path)}
    from_irqframe = {(module, name) for module, name in imported if module.partition(".")[0] == "irqframe"}
    assert len(from_irqframe) > 10
    for module, name in from_irqframe:
        assert not any(part.startswith("_") for part in (*module.split("."), name)), f"{module}: {name}"
        assert name in import_module(module).__all__, f"{module} does not make {name} public"


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and not node.level
            yield from ((node.module, alias.name) for alias in node.names)


OTHER_THREAD = """
import errno
from irqframe import Injected, VmError, dt
from irqframe.machine import build, load_machine

vm = build(load_machine(dt.load("toy.dts")))
vcpu = vm.vcpus[0]
vcpu.load()
vcpu.mmio_write(0x8000004, 4, 1 << 16)
vcpu.put()
assert vm.set_irq(16, 1) is Injected.POSTED  # nobody owns the vCPU
vm.set_irq(16, 0)
vcpu.drain()
assert vm.flow.call("vcpu_pending_irq", vcpu)
vcpu.load()
assert vcpu.enter() and vcpu.irq_line
assert [vcpu.mmio_read(0x800000C, 4) for _ in range(2)] == [16, 0xFFFFFFFF]
assert not vcpu.irq_line and not vm.flow.call("vcpu_pending_irq", vcpu)
try:
    vm.inject(0, 32, 1)
except VmError as error:
    assert error.errno == errno.EINVAL
else:
    raise SystemExit("line 32 was taken")
for size in (1, 2, 4, 8):
    for offset in range(0, 0x40, size):
        vcpu.mmio_write(0x8000000 + offset, size, (1 << 8 * size) - 1)
        assert 0 <= vcpu.mmio_read(0x8000000 + offset, size) < 1 << 32
assert [vcpu.mmio_read(0x8000000 + offset, 4) for offset in (0x0, 0x4)] == [0, 0]
"""


def test_a_raise_from_a_thread_that_owns_nothing_arrives(installed: Stranger) -> None:
    (installed.project / "other_thread.py").write_text(OTHER_THREAD, encoding="utf-8")
    assert installed.output("python -P other_thread.py") == ""


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("s/<0 4>/<32 4>/", "E0603"),
        ("s/<0 4>/<0 8>/", "E0610"),
        ("s/#interrupt-cells = <2>/#interrupt-cells = <1>/", "E0503"),
        ("s/reg = <0x8000000 0x1000>;//", "E0501"),
        ("s/<31 1>/<16 1>/", "E0604"),
        ('s/reg = <0>;/&}; cpu@1 { device_type = "cpu"; compatible = "arm,cortex-a53"; reg = <1>;/', "E0606"),
    ],
)
def test_a_machine_that_it_cannot_serve_is_a_finding(installed: Stranger, change: str, code: str) -> None:
    done = installed.sh(f"sed '{change}' toy.dts | irqframe check --json -")
    assert done.returncode == 1
    assert code in [finding["code"] for finding in json.loads(done.stdout)["findings"]]


def test_a_frame_that_is_too_small_is_refused_by_the_plugin_itself(installed: Stranger) -> None:
    done = installed.sh("sed 's/0x8000000 0x1000/0x8000000 0xc/' toy.dts | irqframe run -")
    assert done.returncode == 1
    assert "error[E0607]: toy refuses the machine: it needs one frame" in done.stdout


def test_uninstalled_it_serves_nothing(tmp_path: Path) -> None:
    stranger = installed_at(tmp_path)
    stranger.output("irqframe check toy.dts")
    stranger.output("python -m pip uninstall --quiet --yes irqframe-toy")
    done = stranger.sh("irqframe check --json toy.dts 2>/dev/null", IRQFRAME_LOAD_PLUGINS="")
    assert done.returncode == 1
    [finding] = json.loads(done.stdout)["findings"]
    assert (finding["code"], finding["found"]) == ("E0601", "example,toy-intc")


# Outside witnesses


def _tool(name: str) -> str:
    """Where a tool is: beside the running Python, or on the path."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_dt_doc_validate_accepts_the_binding() -> None:
    binding = EXAMPLE / "irqframe_toy" / "bindings" / "example,toy-intc.yaml"
    done = subprocess.run([_tool("dt-doc-validate"), str(binding)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_dtc_has_nothing_to_say_about_the_machine() -> None:
    command = [_tool("dtc"), "-I", "dts", "-O", "dtb", "-o", "/dev/null", str(EXAMPLE / "toy.dts")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
