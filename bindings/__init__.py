"""The binding documents of a machine's nodes, laid out as Linux lays out its own; package data, no code."""
