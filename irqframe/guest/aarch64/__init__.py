"""Real code on the vCPUs: the guest is AArch64 software, which Unicorn executes and whose traps irqframe serves."""
