"""The command line."""

from irqframe.cli._main import main, run

__all__ = ["main", "run"]
