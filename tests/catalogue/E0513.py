from irqframe.dt import load_bindings

DOCUMENT = """\
$id: http://devicetree.org/schemas/acme,intc.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
"""

load_bindings([("acme,intc.yaml", DOCUMENT), ("copy.yaml", DOCUMENT)])
