"""The codes of findings: one line of meaning each; the documentation's list is generated from here.

    E00xx  files                    E03xx  reading a DTB
    E01xx  words and syntax of DTS  E04xx  the interrupt tree
    E02xx  references, structure    E05xx  bindings and validation

A code never changes its meaning and is never used again for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_FILES = {
    "E0001": "a file cannot be read",
    "E0002": "a source file is not UTF-8 text",
    "E0003": "a file is neither a DTB nor device-tree source",
    "E0004": "a file is larger than what is read",
    "E0005": "an included file is not found or cannot be read",
    "E0006": "files include each other too deeply, or too many files are included",
    "E0007": "the file of an /incbin/ is not found, cannot be read, or is too large",
    "E0009": "there are more findings than are listed",
}

_SYNTAX = {
    "E0101": "a character that cannot stand here",
    "E0102": "a string or character literal has no end",
    "E0103": "the text does not follow the grammar: something else was expected",
    "E0104": "a number cannot be read or needs more than 64 bits",
    "E0105": "a character literal does not hold exactly one character",
    "E0106": "a string holds an escape that cannot be read",
    "E0107": "a comment has no end",
    "E0108": "a value does not fit the elements of its array",
    "E0109": "an expression divides by zero",
    "E0110": "a preprocessor directive stands in a text that was not preprocessed, because /include/ takes it in",
    "E0112": "nodes or expressions are nested too deeply, or a path is too long",
    "E0113": "a property stands after a subnode",
    "E0114": "the text does not begin with /dts-v1/;",
    "E0115": "/bits/ names a width other than 8, 16, 32 or 64",
    "E0116": "a reference stands in an array whose elements are not 32 bits wide",
    "E0117": "/memreserve/ stands after the first node",
    "E0118": "a preprocessor directive does not say what it must",
    "E0119": "#if, #else and #endif do not pair",
    "E0120": "the text says #error",
    "E0121": "a macro is called with the wrong arguments",
    "E0122": "a condition of the preprocessor has no value",
    "E0123": "macros make more text than is read",
    "E0124": "a name stands where a number must, and no macro of that name is defined",
    "W0125": "the text says #warning",
    "W0126": "a macro is defined a second time, otherwise",
}

_STRUCTURE = {
    "E0201": "a label is defined twice",
    "E0202": "two nodes have the same phandle",
    "E0203": "a label is used that is not defined",
    "E0204": "a path names no node",
    "E0205": "a property is defined twice in one node block",
    "E0206": "a node is defined twice in one node block",
    "E0207": "a node name is not legal (DTSpec 2.2.1)",
    "E0208": "a property name is not legal (DTSpec 2.2.4)",
    "E0209": "a phandle property is not one cell other than 0 and 0xffffffff",
    "E0210": "phandle and linux,phandle of a node differ",
    "E0211": "a name property differs from the name of its node",
    "E0212": "a tree has more nodes or properties than are read",
    "E0213": "a tree has no root node",
    "E0214": "a phandle property refers to another node",
    "E0215": "an overlay refers to a label that its base does not have",
    "E0216": "the base of an overlay has no symbols",
    "E0217": "an entry of __fixups__ or __local_fixups__ cannot be read",
    "E0218": "an entry of __fixups__ or __local_fixups__ leads to no place in its overlay",
    "E0219": "a symbol of the base leads to no node that can be referred to",
    "E0220": "a fragment of an overlay does not say what it changes",
    "E0221": "a fragment of an overlay changes a node that its base does not have",
    "E0222": "a phandle of an overlay finds no number behind those of its base",
    "E0223": "a symbol of an overlay cannot be read",
    "E0224": "an overlay stands where a whole tree is expected",
    "E0225": "a tree stands where an overlay is expected",
    "E0226": "the references or symbols of an overlay take too much room",
}

_DTB = {
    "E0301": "a DTB is too short for its header",
    "E0302": "a DTB does not begin with the magic number 0xd00dfeed",
    "E0303": "totalsize is not the length of the file",
    "E0304": "the version of a DTB is not supported",
    "E0305": "the last compatible version of a DTB is not supported",
    "E0306": "the memory reservation block is misplaced",
    "E0307": "the memory reservation block is not ended, or holds something after its end",
    "E0308": "the structure block is misplaced or leaves its bounds",
    "E0309": "the strings block is misplaced or leaves its bounds",
    "E0310": "bytes that belong to no block are not zero",
    "E0311": "the structure block ends within a node or property",
    "E0312": "the structure block holds an unknown token",
    "E0313": "a node name has no end",
    "E0314": "a property's name does not lie in the strings block",
    "E0315": "a property stands after a subnode",
    "E0316": "nodes are nested too deeply, or a path is too long",
    "E0317": "the structure block does not end with its last token",
    "E0318": "the structure block does not hold exactly one root node",
    "E0319": "the root node has a name",
    "E0320": "the strings block is not a list of NUL-terminated names",
}

# The interrupt tree: E04xx.
_INTERRUPTS = {
    "E0401": "a node has interrupts but no interrupt parent",
    "E0402": "interrupts do not divide into the specifiers of their controller",
    "E0403": "a phandle that no node has",
    "E0404": "an interrupt controller or nexus has no usable #interrupt-cells",
    "E0405": "interrupts are sent to a node that is no interrupt controller",
    "E0406": "an interrupt-map ends in the middle of a row",
    "E0407": "no row of an interrupt-map matches an interrupt",
    "E0408": "interrupt maps lead in a circle, or through too many of them",
    "E0409": "a device needs a reg to find its row in an interrupt-map",
    "E0410": "an interrupt-map-mask does not fit its map",
    "E0411": "interrupts or messages are sent to a controller that is disabled",
    "E0413": "a node of an interrupt-map has no usable #address-cells",
    "W0414": "Linux takes the INTx pins of a PCI function to other lines than its bridges do",
    "E0415": "interrupt controllers send to each other in a circle",
    "W0416": "a row of an interrupt-map never matches, because an earlier one does",
    "E0420": "msi-map or msi-parent has a wrong length",
    "E0421": "messages are sent to a node that is no MSI controller",
    "E0422": "an MSI controller has no usable #msi-cells",
    "E0423": "msi-map-mask is not one cell",
    "E0424": "a row of an msi-map never matches under msi-map-mask",
    "E0425": "a row of an msi-map names a controller that wants more than one cell",
    "E0426": "msi-ranges does not divide into phandle, interrupt specifier and span",
    "E0427": "a range of msi-ranges is empty",
    "E0430": "a CPU has no usable reg",
    "E0431": "a CPU's reg has bits that no MPIDR affinity has",
    "E0432": "two CPUs have the same reg",
    "E0433": "a machine has no CPU",
    "E0434": "a memory node has no usable reg",
}

# Bindings and validation: E05xx.
_VALIDATION = {
    "E0501": "a node lacks a property that its binding requires",
    "E0502": "a property has another type than its binding says",
    "E0503": "a property has a value that its binding does not allow",
    "E0504": "a property has more or fewer entries than its binding allows",
    "E0505": "a node has a property or child that its binding does not know",
    "E0506": "a property needs another one that is not there",
    "E0507": "a property or node fits none of the alternatives of its binding",
    "E0508": "a list of addresses does not divide into rows",
    "E0510": "a binding document is not YAML",
    "E0511": "a YAML document is not a binding",
    "E0512": "a binding refers to a schema that is not there",
    "E0513": "two binding documents have the same $id",
    "E0514": "a folder of binding documents cannot be used",
    "W0515": "some documents of a folder of bindings cannot be used",
    "W0516": "a binding that was applied refers to a schema that is not there",
    "W0517": "a binding was not applied, because its schemas refer to each other without end",
    "W0518": "no binding says what a property holds",
}

# What is written, of binding documents: E053x.
_DOCUMENTS = {
    "E0530": "dt-doc-validate finds fault with a binding document",
    "E0531": "an example of a binding document is no text",
    "E0532": "the $id of a binding document is no path in a tree of bindings",
    "W0533": "an example of a binding document needs a preprocessor, and is not checked",
}

CODES: Mapping[str, str] = MappingProxyType(
    {**_FILES, **_SYNTAX, **_STRUCTURE, **_DTB, **_INTERRUPTS, **_VALIDATION, **_DOCUMENTS}
)
