"""Legal names of nodes and properties, and the bounds that both readers keep.

1. Characters are those of DTSpec 2.2.1 and 2.2.4, and `*` in a property's name: the set that dtc accepts.
2. DTSpec ends names at 31 characters. Real trees go beyond it and dtc does not care; the bounds here are for hostile
   input only: names, paths, depth, and how many there are of everything.
"""

from __future__ import annotations

import re
import string

NAME_MAX = 255
DEPTH_MAX = 128
PATH_MAX = 1_024
NODES_MAX = 65_536
PROPERTIES_MAX = 524_288
FINDINGS_MAX = 100
TREE_FINDINGS_MAX = 1_000

_ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
_LEGAL_NODE_NAME = re.compile(rf"[a-zA-Z0-9,._+-]{{1,{NAME_MAX}}}(@[a-zA-Z0-9,._+-]*)?")
_LEGAL_PROPERTY_NAME = re.compile(rf"[a-zA-Z0-9,._+*#?-]{{1,{NAME_MAX}}}")
_IN_NODE_NAMES = _ALPHANUMERIC + b",._+-@"
_IN_PROPERTY_NAMES = _ALPHANUMERIC + b",._+-*#?"


def node_name_fault(name: str) -> str:
    """What is wrong with a node's name, "" if nothing is (DTSpec 2.2.1)."""
    # Nearly every name is legal, and this is asked of all of them.
    if len(name) <= NAME_MAX and _LEGAL_NODE_NAME.fullmatch(name):
        return ""
    fault = _fault(name, _IN_NODE_NAMES)
    return fault or ("has more than one @" if name.count("@") > 1 else "")


def property_name_fault(name: str) -> str:
    """What is wrong with a property's name, "" if nothing is (DTSpec 2.2.4.1)."""
    return "" if _LEGAL_PROPERTY_NAME.fullmatch(name) else _fault(name, _IN_PROPERTY_NAMES)


def _fault(name: str, characters: bytes) -> str:
    if not name:
        return "is empty"
    if len(name) > NAME_MAX:
        return f"is longer than {NAME_MAX} characters"
    if name.isascii() and not name.encode("ascii").translate(None, characters):
        return ""
    first = next(character for character in name if not character.isascii() or ord(character) not in characters)
    return f"has the character {first!r}, which is not legal there"
