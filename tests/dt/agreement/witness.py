"""What dt-validate says of trees, by its own code, in a process of its own.

    witness.py FOLDER < {"NAME": "DTB in hexadecimal", ...} > {"NAME": [[node, path, alternatives], ...] or null, ...}

It is a process because dtschema keeps the phandles of all trees in one table, and because of some trees it stops, or
makes rows until the memory is full; those have the verdict null.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import dtschema.dtb
from dtschema.dtb_validate import schema_group

MEMORY = 2 << 30
SECONDS = 20


def verdict(group: Any, file: Path, data: bytes) -> list[list[Any]] | None:
    """(node, path in it, whether there were alternatives) of each error that counts; None without an end."""
    file.write_bytes(data)
    dtschema.dtb.phandles.clear()
    dtschema.dtb.phandle_loc.clear()
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found = group.check_dtb(str(file))
    except Exception:
        return None
    finally:
        signal.alarm(0)
    return [
        [one["node"], one["property_path"], bool(one.get("context"))]
        for one in found
        if one["type"] == "validation" and not of_unknown_type(group, one["property_path"], one["message"])
    ]


def of_unknown_type(group: Any, path: list[Any], message: str) -> bool:
    """Whether an error is about the type of a property that no schema gives a type, or several both one and many.

    Of the latter dtschema says itself that it cannot decode one value; which type it takes differs between processes.
    """
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    known = group.validator.property_get_type(name) - {"node", None}
    if any(f"{kind}-array" in known for kind in known):
        return re.match(r"\[?\d+\]? is not of type", message) is not None
    return not known and re.match(r"b['\"].*is not of type (?!'object'$)", message, re.DOTALL) is not None


def timed_out(*_: object) -> None:
    """Ends what takes too long."""
    raise TimeoutError


def main() -> None:
    """Read trees, and write verdicts."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, timed_out)
    trees = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        group = schema_group(sys.argv[1], collect_diagnostics=True)
        file = Path(folder) / "tree.dtb"
        verdicts = {name: verdict(group, file, bytes.fromhex(data)) for name, data in trees.items()}
    json.dump(verdicts, sys.stdout)


if __name__ == "__main__":
    main()
