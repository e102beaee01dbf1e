"""Debian's packages for tests, downloaded with a state and a cache of apt's own.

apt reads which archives the machine uses and trusts, checks what it downloads, and changes nothing outside of the
folder that it is given: neither the machine's lists nor its architectures.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path


class Archive:
    """The archives that the machine uses.

    Args:
        home: where apt's state, its cache and the packages go.
        architecture: of the packages; None: the machine's own.
    """

    def __init__(self, home: Path, architecture: str | None = None) -> None:
        self._packages = home / "package"
        state, cache = home / "state", home / "cache"
        for path in (state / "lists" / "partial", cache / "archives" / "partial", self._packages):
            path.mkdir(parents=True, exist_ok=True)
        # The user apt changes to could not write below the checkout.
        options = [f"Dir::State={state}", f"Dir::Cache={cache}", "APT::Sandbox::User="]
        if architecture is not None:
            # What the machine has installed is of another architecture, so nothing is.
            installed = home / "installed"
            installed.touch()
            options += [f"Dir::State::status={installed}", f"APT::Architecture={architecture}"]
            options += [f"APT::Architectures={architecture}"]
        self._options = [word for option in options for word in ("-o", option)]

    def update(self) -> None:
        """Fetch the lists of packages."""
        subprocess.run(["apt-get", "-q", *self._options, "update"], check=True)

    def dependency(self, package: str, pattern: str) -> str:
        """The package that `package` depends on and whose name matches `pattern`."""
        command = ["apt-cache", *self._options, "depends", package]
        listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        names = [line.split()[-1] for line in listed.splitlines() if line.strip().startswith("Depends:")]
        for name in names:
            if re.fullmatch(pattern, name):
                return name
        sys.exit(f"{package} depends on {', '.join(names) or 'nothing'}, and none is a {pattern}")

    def download(self, package: str) -> Path:
        """Download a package."""
        for old in self._packages.glob(f"{package}_*.deb"):
            old.unlink()
        subprocess.run(["apt-get", "-q", *self._options, "download", package], check=True, cwd=self._packages)
        (found,) = self._packages.glob(f"{package}_*.deb")
        return found


def sha256(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def need(tools: tuple[str, ...], for_what: str) -> None:
    """End the program if a tool is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{for_what} needs {', '.join(missing)}, which are not installed")
