from irqframe.dt import load_bindings

load_bindings([("acme,intc.yaml", "- compatible\n- reg\n")])
