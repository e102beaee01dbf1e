"""Records what gcc's preprocessor makes of each case of cases.txt, as words, into expected.json."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from irqframe.dt._cpp_tokens import tokens

HERE = Path(__file__).parent
COMMAND = ["cpp", "-nostdinc", "-undef", "-D__DTS__", "-x", "assembler-with-cpp", "-P", "-w", "-I", "sub", "-"]


def has_cpp() -> bool:
    """Whether there is gcc's `cpp`; others read assembler source otherwise."""
    if shutil.which("cpp") is None:
        return False
    return "Free Software Foundation" in subprocess.run(["cpp", "--version"], capture_output=True, text=True).stdout


def cases() -> dict[str, str]:
    """The cases: name and text."""
    found: dict[str, str] = {}
    name = ""
    for line in (HERE / "cases.txt").read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            name = line[4:].strip()
            assert name not in found, name
            found[name] = ""
        else:
            found[name] += line
    return found


def preprocessed(text: str) -> list[str] | None:
    """The words that come out; None if it is refused."""
    run = subprocess.run(COMMAND, input=text, capture_output=True, text=True, cwd=HERE, check=False)
    return None if run.returncode else [token.text for token in tokens(run.stdout)]


if __name__ == "__main__":
    expected = {name: preprocessed(text) for name, text in cases().items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
    (HERE / "expected.json").write_text("{\n" + lines + "\n}\n")
