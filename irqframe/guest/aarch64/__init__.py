"""AArch64 code as a guest: CPUs on Unicorn, PSCI, time, and the loader. It needs the extra `guest`."""

from irqframe.guest.aarch64._ended import Ended, Reason
from irqframe.guest.aarch64._launch import Launched, launch
from irqframe.guest.aarch64._make import Make, available_make
from irqframe.guest.aarch64._runner import Runner

__all__ = ["Ended", "Launched", "Make", "Reason", "Runner", "available_make", "launch"]
