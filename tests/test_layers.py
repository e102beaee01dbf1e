"""The house: which room may import which, and what plugins may use. Read from the source, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "irqframe"
PLUGINS = {"irqframe_rvic": ROOT / "plugins/rvic/irqframe_rvic", "irqframe_vgic": ROOT / "plugins/vgic/irqframe_vgic"}

#: Room -> the rooms it may import. Every room may import itself, and `errors` is everybody's. `flow` holds the plain
#: types of the contract (a source, a trap claim), so whoever may import `vm` may import it.
MAY_IMPORT = {
    "errors": set(),
    "flow": set(),
    "bits": {"_native"},
    "_native": set(),
    "vm": {"flow", "bits"},
    "dt": set(),
    "machine": {"vm", "dt", "flow"},
    "guest": {"vm", "machine", "bits", "flow", "_native"},
    "observe": {"vm", "flow"},
    "cli": {"flow", "bits", "vm", "dt", "machine", "guest", "observe"},
}

#: What is compiled has no door but its name.
COMPILED = "_native"

#: A room that the command line alone may use.
CLI = "cli"

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = {"list", "dict", "set", "deque", "bytearray", "defaultdict", "Counter", "OrderedDict"}
MUTATORS = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popleft",
    "popitem",
    "remove",
    "setdefault",
    "update",
}


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def module_name(path: Path, folder: Path) -> str:
    """Dotted name of a module, below the package that `folder` is."""
    parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every import, wherever it stands; name is "" for a plain `import`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            for alias in node.names:
                yield node.lineno, node.module or "", alias.name


def room_of(module: str, name: str = "") -> str:
    """The room that an import of irqframe reaches: "" for the package itself."""
    parts = module.split(".")
    if len(parts) > 1:
        return parts[1]
    return name if name in MAY_IMPORT else ""


CORE_SOURCES = sources(CORE)
PLUGIN_SOURCES = [path for folder in PLUGINS.values() for path in sources(folder)]
ALL_SOURCES = CORE_SOURCES + PLUGIN_SOURCES


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_rooms_are_known() -> None:
    rooms = {path.relative_to(CORE).parts[0].removesuffix(".py") for path in CORE_SOURCES} - {"__init__", "__main__"}
    assert rooms <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", CORE_SOURCES, ids=short)
def test_rooms_import_downwards(path: Path) -> None:
    room = path.relative_to(CORE).parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return
    allowed = MAY_IMPORT[room] | {room, "errors", ""}
    wrong = [
        f"{short(path)}:{line}: {room} imports {module}"
        for line, module, name in imports(path)
        if module.split(".")[0] == "irqframe" and room_of(module, name) not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("path", CORE_SOURCES, ids=short)
def test_a_room_is_entered_by_its_door(path: Path) -> None:
    """Another room's private modules and names are its own."""
    room = path.relative_to(CORE).parts[0].removesuffix(".py")
    wrong = [
        f"{short(path)}:{line}: {module} {name}"
        for line, module, name in imports(path)
        if module.split(".")[0] == "irqframe"
        and room_of(module, name) != room
        and room_of(module, name) != COMPILED
        and any(part.startswith("_") and not part.startswith("__") for part in [*module.split("."), name])
    ]
    assert wrong == []


@pytest.mark.parametrize("path", PLUGIN_SOURCES, ids=short)
def test_plugins_use_the_public_api(path: Path) -> None:
    own = path.relative_to(ROOT).parts[2]
    others = PLUGINS.keys() - {own}
    for line, module, name in imports(path):
        top = module.split(".")[0]
        where = f"{short(path)}:{line}: {module} {name}"
        assert top not in others, f"{where}: another plugin"
        if top == "irqframe":
            assert not any(part.startswith("_") for part in [*module.split("."), name]), f"{where}: private"
            assert room_of(module, name) != CLI, f"{where}: the command line"


@pytest.mark.parametrize("path", CORE_SOURCES, ids=short)
def test_the_core_names_no_plugin(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = [name for name in PLUGINS for form in (name, name.replace("_", "-")) if form in text]
    assert named == []


@pytest.mark.parametrize("path", sources(CORE / "flow") + sources(CORE / "bits") + sources(CORE / "vm"), ids=short)
def test_models_ask_no_clock_and_open_no_file(path: Path) -> None:
    """Time comes in through the Clock, host interrupts through irqfds: nothing else reaches the host."""
    reach_out = {"time", "datetime", "random", "socket", "subprocess", "asyncio", "select", "os", "pathlib"}
    excused = {
        "_clock.py": {"time"},
        "_vcpu.py": {"time"},  # how long a thread sleeps in WFI
        "_irqfd.py": {"os", "select"},
        "_irqfd_thread.py": {"os", "select"},
        "_discovery.py": {"os"},  # the environment
        "_make.py": {"os"},  # the same
    }
    used = {module.split(".")[0] for _, module, _ in imports(path)} & reach_out
    assert used <= excused.get(path.name, set())


# Cycles


def runtime_imports(path: Path, modules: Container[str]) -> Iterator[str]:
    """Those of `modules` that importing this one imports at once: what stands at module level, types aside."""
    for node in tree(path).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                # A submodule, or a name that the module makes.
                submodule = f"{node.module}.{alias.name}"
                found = submodule if submodule in modules else node.module
                if found in modules:
                    yield found


@pytest.mark.parametrize("folder", [CORE, *PLUGINS.values()], ids=lambda folder: folder.name)
def test_no_import_cycles(folder: Path) -> None:
    modules = {module_name(path, folder): path for path in sources(folder)}
    edges = {name: set(runtime_imports(path, modules)) for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for to in sorted(edges[name] - {name}):
                visit(to, (*trail, name))
            done.add(name)

    for name in modules:
        visit(name, ())


# State


def mutable_globals(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in module.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        call = value.func if isinstance(value, ast.Call) else None
        called = call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else ""
        if isinstance(value, MUTABLE) or called in MUTABLE_CALLS:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def mutated_names(node: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of every change of what a plain name holds: an item, a mutating method, an augmented assignment."""
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store | ast.Del):
            target: ast.expr = part.value
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in MUTATORS:
            target = part.func.value
        elif isinstance(part, ast.AugAssign):
            target = part.target
        else:
            continue
        if isinstance(target, ast.Name):
            yield part.lineno, target.id


@pytest.mark.parametrize("path", ALL_SOURCES, ids=short)
def test_modules_hold_no_state(path: Path) -> None:
    module = tree(path)
    assert not [node.lineno for node in ast.walk(module) if isinstance(node, ast.Global)]
    held = mutable_globals(module)
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    changed = {
        f"{short(path)}:{line}: {name}"
        for function in functions
        for line, name in mutated_names(function)
        if name in held and name not in local_names(function)
    }
    assert changed == set()


def local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {argument.arg for argument in named}


# The checks themselves can fail


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("seen = []\ndef f(x):\n    seen.append(x)\n", True),
        ("seen = {}\ndef f(x):\n    seen[x] = 1\n", True),
        ("SEEN: dict = dict()\ndef f(x):\n    SEEN.update(x)\n", True),
        ("seen = []\ndef f(x):\n    seen = []\n    seen.append(x)\n", False),
        ("NAMES = ['a']\ndef f(x):\n    return x in NAMES\n", False),
    ],
)
def test_state_is_noticed(text: str, caught: bool) -> None:
    module = ast.parse(text)
    held = mutable_globals(module)
    function = next(node for node in module.body if isinstance(node, ast.FunctionDef))
    changed = [name for _, name in mutated_names(function) if name in held and name not in local_names(function)]
    assert bool(changed) is caught


def test_rooms_of_imports() -> None:
    assert room_of("irqframe.vm._vcpu") == "vm"
    assert room_of("irqframe", "vm") == "vm"
    assert room_of("irqframe", "Irqchip") == ""
