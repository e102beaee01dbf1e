"""Makes a reference page of each binding document of this repository: docs/bindings/NAME.md, and a list of them.

`docs/generate.py` calls it; the pages are made from the YAML and nothing else.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from irqframe.dt import BindingText, read_binding

ROOT = Path(__file__).parents[1]
NOTICE = "<!-- Made by docs/generate_bindings.py from {source}; change that. -->\n"

#: What dt-schema's types are called in words.
_TYPES = "/schemas/types.yaml#/definitions/"


def binding_pages() -> dict[str, str]:
    """Every page by its path below docs/."""
    documents = [(path, read_binding(path.name, path.read_text(encoding="utf-8"))) for path in _sources()]
    pages = {f"bindings/{path.stem}.md": _page(path, binding) for path, binding in documents}
    rows = [
        f"| [{path.stem}]({path.stem}.md) | {binding.title} | {_compatibles(binding)} |" for path, binding in documents
    ]
    pages["bindings/README.md"] = "\n".join(
        [
            "# Bindings\n",
            NOTICE.format(source="the documents of this repository"),
            "What irqframe knows of a machine's nodes. `irqframe bindings export` writes the documents themselves, and",
            "those of other installed irqchips with them.\n",
            "| document | title | `compatible` |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
    return pages


def _sources() -> list[Path]:
    machine = [path for path in (ROOT / "bindings").rglob("*.yaml") if "schemas" not in path.relative_to(ROOT).parts]
    plugins = ROOT.glob("plugins/*/irqframe_*/bindings/*.yaml")
    return sorted([*machine, *plugins], key=lambda path: path.name)


def _compatibles(binding: BindingText) -> str:
    return ", ".join(f"`{name}`" for name in binding.compatibles) or "see its `select`"


def _page(path: Path, binding: BindingText) -> str:
    content = binding.content
    source = path.relative_to(ROOT)
    parts = [
        f"# {binding.title}\n",
        NOTICE.format(source=source),
        f"Document: [`{source}`]({'../' * 2}{source}), `$id` `{binding.id}`.\n",
    ]
    if binding.compatibles:
        parts.append(f"`compatible`: {_compatibles(binding)}.\n")
    if content.get("description"):
        parts.append(f"{str(content['description']).strip()}\n")
    parts += ["## Properties\n", *_properties(content, content.get("required", ()))]
    children = {
        name: schema
        for group in ("properties", "patternProperties")
        for name, schema in content.get(group, {}).items()
        if isinstance(schema, dict) and (schema.get("type") == "object" or "properties" in schema)
    }
    for name, schema in children.items():
        parts.append(f"## Child nodes `{name}`\n")
        if schema.get("description"):
            parts.append(f"{str(schema['description']).strip()}\n")
        parts += _properties(schema, schema.get("required", ()))
    parts += _conditions(content)
    examples = [example for example in binding.examples if example.is_text]
    if examples:
        parts.append("## Examples\n" if len(examples) > 1 else "## Example\n")
    parts += [f"```dts\n{textwrap.dedent(example.text).strip()}\n```\n" for example in examples]
    return "\n".join(parts).rstrip() + "\n"


def _properties(schema: Mapping[str, Any], required: Any) -> list[str]:
    known = {
        name: one
        for group in ("properties", "patternProperties")
        for name, one in schema.get(group, {}).items()
        if not (isinstance(one, dict) and (one.get("type") == "object" or "properties" in one))
    }
    others = "No others." if schema.get("additionalProperties") is False else ""
    if schema.get("unevaluatedProperties") is False:
        others = "No others but those of the documents it refers to."
    if not known:
        return [f"{others or 'Any.'}\n"]
    rows = [
        f"| `{name}` | {'yes' if name in required else ''} | {_type(one)} | {_cell(_text(one))} |"
        for name, one in known.items()
    ]
    lines = ["| property | required | type | meaning and values |", "|---|---|---|---|", *rows, ""]
    missing = [name for name in required if name not in known]
    if missing:
        lines.append(f"Required too: {', '.join(f'`{name}`' for name in missing)}.\n")
    return [*lines, f"{others}\n"] if others else lines


def _conditions(content: Mapping[str, Any]) -> list[str]:
    """What one property asks of others, in the document's own words where there are none of ours."""
    lines = [
        f"- `{name}` needs {', '.join(f'`{other}`' for other in others)}."
        for name, others in content.get("dependentRequired", {}).items()
    ]
    referred = [part["$ref"] for part in content.get("allOf", ()) if isinstance(part, dict) and "$ref" in part]
    lines += [f"- What `{name}` says holds too." for name in referred]
    conditional = "if" in content or any(isinstance(part, dict) and "if" in part for part in content.get("allOf", ()))
    if conditional:
        lines.append("- Some values depend on others: see `if` in the document.")
    if "oneOf" in content or "anyOf" in content:
        lines.append("- There are alternatives: see `oneOf` and `anyOf` in the document.")
    return ["## Rules\n", *lines, ""] if lines else []


def _type(schema: Any) -> str:
    found = list(dict.fromkeys(_types(schema)))
    return " or ".join(found) if found else "standard"


def _types(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield reference.removeprefix(_TYPES) if reference.startswith(_TYPES) else f"`{reference}`"
    if schema.get("type") == "boolean":
        yield "flag"
    for group in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(group, ()):
            yield from _types(part)


def _text(schema: Any) -> str:
    """A property in words: its description, then what is allowed."""
    if not isinstance(schema, dict):
        return "" if schema else "Not allowed."
    described = " ".join(str(schema.get("description", "")).split())
    allowed = list(_allowed(schema))
    values = f"{'; '.join(allowed)}." if allowed else ""
    return " ".join(filter(None, [described, values[:1].upper() + values[1:]]))


def _allowed(schema: Mapping[str, Any]) -> Iterator[str]:
    if "const" in schema:
        yield f"`{schema['const']}`"
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "pattern" in schema:
        yield f"matches `{schema['pattern']}`"
    names = {"minimum": "at least", "maximum": "at most", "multipleOf": "a multiple of", "default": "if not given"}
    yield from (f"{words} {schema[key]}" for key, words in names.items() if key in schema)
    if "minItems" in schema or "maxItems" in schema:
        least, most = schema.get("minItems"), schema.get("maxItems")
        yield _entries(least if least is not None else most, most)
    items = schema.get("items")
    if isinstance(items, list):
        each = [_text(item) or "any" for item in items]
        yield "in order: " + "; ".join(text[:1].lower() + text[1:].rstrip(".") for text in each)
    elif isinstance(items, dict):
        inner = list(_allowed(items))
        if inner:
            yield "each " + "; ".join(inner)
    for group in ("oneOf", "anyOf"):
        parts = [" and ".join(_allowed(part)) for part in schema.get(group, ()) if isinstance(part, dict)]
        if any(parts):
            yield " or ".join(part for part in parts if part)


def _entries(least: Any, most: Any) -> str:
    if most is None:
        return f"{least} entries or more"
    noun = "entry" if most == 1 else "entries"
    return f"{most} {noun}" if least == most else f"{least} to {most} entries"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
