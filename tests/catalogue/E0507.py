from irqframe.dt import load_bindings, parse_dts, validate
from irqframe.errors import InputError

BINDING = """\
$id: http://devicetree.org/schemas/acme,intc.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
properties:
  compatible:
    const: acme,intc
  acme,lines:
    $ref: /schemas/types.yaml#/definitions/uint32
    not:
      enum: [13, 17]
"""
TREE = '/dts-v1/; / { intc { compatible = "acme,intc"; acme,lines = <13>; }; };'

raise InputError(validate(parse_dts(TREE, "E0507.dts"), load_bindings([("acme,intc.yaml", BINDING)])))
