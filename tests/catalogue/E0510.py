from irqframe.dt import load_bindings

load_bindings([("acme,intc.yaml", "properties: [\n")])
