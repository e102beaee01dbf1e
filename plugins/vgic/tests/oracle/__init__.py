"""QEMU's GIC as the independent witness of the plugin's: the same operations on both, all compared (README.md)."""
