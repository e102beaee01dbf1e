"""GICv2: the distributor, the CPU interfaces, and the GICv2m frame."""
