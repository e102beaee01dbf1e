"""Binding documents as text: the YAML that dt-schema's documents are written in."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

MAINTAINER: Final = "The irqframe developers <irqframe@example.org>"
FOLDER: Final = "interrupt-controller"
"""Where documents of interrupt controllers stand in a tree of bindings."""

_WIDTH = 80
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9 ,._/+()@<>-]*")
_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


class Block(str):
    """Text that YAML has in a block."""

    __slots__ = ()


def yaml_document(
    compatible: str,
    title: str,
    description: str,
    properties: Mapping[str, Any],
    required: Sequence[str],
    examples: Iterable[str],
    children: Sequence[str] = (),
) -> str:
    """A document of an interrupt controller.

    Args:
        compatible: for what.
        title: of the document.
        description: likewise.
        properties: schema of each.
        required: which of them.
        examples: device-tree source.
        children: names of child nodes that it allows, without unit address.
    """
    document: dict[str, Any] = {
        "title": title,
        "maintainers": [MAINTAINER],
        "description": Block(description),
        "properties": dict(properties),
    }
    if children:
        document["patternProperties"] = {f"^{re.escape(name)}(@[0-9a-f]+)?$": {"type": "object"} for name in children}
    document |= {"required": list(required), "additionalProperties": False}
    listed = [Block(example) for example in examples]
    if listed:
        document["examples"] = listed
    head = (
        "# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)\n%YAML 1.2\n---\n"
        f"$id: http://devicetree.org/schemas/{FOLDER}/{compatible}.yaml#\n"
        "$schema: http://devicetree.org/meta-schemas/core.yaml#\n\n"
    )
    parts = ["\n".join(_yaml_lines(key, value, 0)) for key, value in document.items()]
    return head + "\n\n".join(parts) + "\n...\n"


def _yaml_lines(key: str, value: Any, indent: int) -> list[str]:
    pad = " " * indent
    name = f"{pad}{_scalar(key)}:"
    if isinstance(value, dict):
        return [name, *(line for each, item in value.items() for line in _yaml_lines(each, item, indent + 2))]
    if isinstance(value, Block):
        return [f"{name} |", *_block(value, indent + 2)]
    if not isinstance(value, list):
        return [f"{name} {_scalar(value)}"]
    lines = [name]
    for item in value:
        if isinstance(item, Block):
            lines += [f"{pad}  - |", *_block(item, indent + 4)]
        elif isinstance(item, dict):
            inner = [line for each, one in item.items() for line in _yaml_lines(each, one, indent + 4)]
            lines += [f"{pad}  - {inner[0].lstrip()}", *inner[1:]]
        else:
            lines.append(f"{pad}  - {_scalar(item)}")
    return lines


def _block(text: str, indent: int) -> list[str]:
    pad = " " * indent
    lines = text.rstrip("\n").split("\n")
    if len(lines) == 1:
        lines = _wrapped(lines[0], _WIDTH - indent)
    return [f"{pad}{line}" if line.strip() else "" for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if text == "$ref":
        return text
    if _PLAIN.fullmatch(text) and ": " not in text and text.lower() not in _WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"
