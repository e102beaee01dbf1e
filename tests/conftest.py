"""What holds for every test: none fails because the machine is busy. And the guests that several of them run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def bare_metal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the images of the bare-metal guests, tests.img and workload.img."""
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("aarch64-linux-gnu-gcc is not installed")
    folder = tmp_path_factory.mktemp("bare-metal")
    builder = Path(__file__).parent / "guests" / "build.py"
    subprocess.run((sys.executable, str(builder), str(folder)), check=True)
    return folder
