"""The one thing that is compiled. Everything else about the distribution stands in pyproject.toml.

`irqframe._native` is for the limited API of Python 3.11, so one wheel serves every later Python. Where it cannot be
built, the installation goes on without it: its twins in Python do the work.
"""

from __future__ import annotations

from glob import glob

from setuptools import Extension, setup

native = Extension(
    "irqframe._native",
    sources=sorted(glob("irqframe/csrc/*.c")),
    depends=sorted(glob("irqframe/csrc/*.h")),
    extra_compile_args=["-std=c11", "-D_GNU_SOURCE", "-fvisibility=hidden", "-Wall", "-Wextra"],
    py_limited_api=True,
    optional=True,
)

setup(ext_modules=[native], options={"bdist_wheel": {"py_limited_api": "cp311"}})
