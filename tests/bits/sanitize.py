"""Builds the C extension with the sanitizers and its own asserts, and runs tests on it: `make test-sanitized`.

    python tests/bits/sanitize.py [ARGUMENTS OF PYTEST]

The extension is built in a folder of its own, over a copy of the package's files: what is installed is not touched.
Without gcc or its sanitizer there is nothing to run, which is said, and is no failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("tests/bits", "tests/guest/aarch64", "plugins/rvic/tests/test_model.py")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer")


def libraries() -> list[str]:
    """The sanitizers' run-time libraries, which must be loaded before Python's own memory; empty without them."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return []
    found = []
    for name in ("libasan.so", "libubsan.so"):
        said = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        found.append(said.stdout.strip())
    return found if all(os.path.isabs(path) and os.path.exists(path) for path in found) else []


def build(folder: Path) -> None:
    """Copy the package into `folder`, with an extension that watches itself."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "irqframe", folder / "irqframe", ignore=ignored)
    shutil.copytree(ROOT / "bindings", folder / "irqframe" / "bindings", ignore=ignored)
    subprocess.run(
        [
            *("gcc", "-shared", "-fPIC", "-O1", "-g", "-DIRQFRAME_ASSERTS", *SANITIZERS),
            *("-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"),
            f"-I{sysconfig.get_path('include')}",
            *("-o", str(folder / "irqframe" / "_native.abi3.so")),
            *(str(source) for source in sorted((ROOT / "irqframe" / "csrc").glob("*.c"))),
        ],
        check=True,
    )


def main() -> int:
    """Build, and run the tests; their exit status."""
    preloaded = libraries()
    if not preloaded:
        print("skipped: gcc with libasan and libubsan is not here")
        return 0
    arguments = sys.argv[1:] or [*TESTS, "-q", "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        environment = os.environ | {
            "LD_PRELOAD": " ".join(preloaded),
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": folder,
            # Python itself never frees what lives as long as the process.
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:strict_string_checks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        }
        command = [sys.executable, "-P", "-c", _CHECKED, folder, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


#: Runs pytest once it is certain that it tests the extension that was just built.
_CHECKED = """
import sys
import pytest
import irqframe._native
folder = sys.argv.pop(1)
assert irqframe._native.__file__.startswith(folder), irqframe._native.__file__
sys.exit(pytest.main(sys.argv[1:]))
"""

if __name__ == "__main__":
    sys.exit(main())
