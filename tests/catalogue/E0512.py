from irqframe.dt import load_bindings

DOCUMENT = """\
$id: http://devicetree.org/schemas/acme,intc.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
properties:
  acme,lines:
    $ref: /schemas/acme/lines.yaml#
"""

load_bindings([("acme,intc.yaml", DOCUMENT)])
