"""GICv3: the distributor, the redistributors with their LPIs, and the CPU interfaces."""
