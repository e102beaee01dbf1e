"""Sets of binding documents: which are known, which apply to a node, and the JSON-Schema validator of each.

1. A document applies to the nodes that its `select` accepts; without `select` to those one of whose `compatible`
   strings it names first, else to those with its `$nodename` (dt-schema).
2. The core schemas of dt-schema that bindings refer to are always at hand; those among them that are for all nodes
   are applied where another document applies, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from irqframe.dt._binding_file import Document, parse_document, read_document
from irqframe.dt._decode import decode
from irqframe.dt._property_types import PropertyTypes
from irqframe.dt._schema_fixups import prepared
from irqframe.dt._schema_names import Names, names_in
from irqframe.dt._tree import Node
from irqframe.errors import Finding, InputError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = dict[str, Any]

_PACKAGE = "irqframe.bindings"
_CORE = "schemas"

# In so many bindings that they select none.
_SHARED_COMPATIBLES = frozenset({"syscon", "simple-mfd", "simple-bus"})


class Binding:
    """One document and the schema it means.

    Attributes:
        name: what findings call the file.
        id: its `$id`, without the trailing #.
        title: its title, "" if it has none.
        text: the YAML.
        schema: what it means, in draft 2019-09.
    """

    def __init__(self, document: Document, registry: Any) -> None:
        self.name = document.name
        self.id = document.id
        self.title = str(document.content.get("title", ""))
        self.text = document.text
        self.schema: Schema = prepared(document.content)
        self.compatibles = _compatibles(self.schema)
        self._registry = registry
        self._validator: Validator | None = None
        self._selector: Validator | None = None

    @cached_property
    def for_all_nodes(self) -> bool:
        """Whether its `select` accepts a node that has nothing, as that of most core schemas does."""
        return self.selects({"$nodename": ["node"]})

    @property
    def validator(self) -> Validator:
        """What checks a node's value."""
        if self._validator is None:
            self._validator = _validator(self.schema, self._registry())
        return self._validator

    def selects(self, instance: Schema) -> bool:
        """Whether its `select` accepts a node's value; False without `select`."""
        select = self.schema.get("select", False)
        if isinstance(select, bool):
            return select
        if self._selector is None:
            self._selector = _validator({"$id": self.id, **select}, self._registry())
        return self._selector.is_valid(instance)


class BindingSet:
    """Binding documents that are applied together."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._resources: Any = None
        self.bindings = tuple(Binding(document, self._registry) for document in documents)
        self.types = PropertyTypes(binding.schema for binding in self.bindings)
        self._names: dict[str, Names] = {}
        self._by_compatible: dict[str, Binding] = {}
        for binding in self.bindings:
            if "select" not in binding.schema:
                for compatible in binding.compatibles:
                    self._by_compatible.setdefault(compatible, binding)
        self._selecting = [binding for binding in self.bindings if binding.schema.get("select") not in (None, False)]

    def _registry(self) -> Any:
        from referencing import Registry
        from referencing.jsonschema import DRAFT201909

        if self._resources is None:
            pairs = [(binding.id, DRAFT201909.create_resource(binding.schema)) for binding in self.bindings]
            self._resources = Registry().with_resources(pairs)
        return self._resources

    def names(self, binding: Binding, name: str) -> bool:
        """Whether a document, or one that it refers to, says anything of a property or child of this name."""
        if binding.id not in self._names:
            self._names[binding.id] = names_in(binding.schema, {each.id: each.schema for each in self.bindings})
        return self._names[binding.id].match(name)

    def select(self, node: Node) -> tuple[Binding, ...]:
        """The documents that apply to a node, the one for its `compatible` first; none if only core schemas would."""
        instance = {name: decode(prop.data, self.types.of(name)) for name, prop in node.properties.items()}
        children: Schema = {name: {} for name in node.children}
        return self.select_for({**instance, **children, "$nodename": [node.name or "/"]})

    def select_for(self, instance: Schema) -> tuple[Binding, ...]:
        """As `select`, for the node's decoded value."""
        names = instance.get("compatible", [])
        if not isinstance(names, list):
            # To a schema that wants one of them to be this or that, what is no list is all right.
            return ()
        first = next((self._by_compatible[name] for name in names if name in self._by_compatible), None)
        selected = [binding for binding in self._selecting if binding.selects(instance)]
        if first is not None:
            selected.insert(0, first)
        return tuple(selected) if not all(binding.for_all_nodes for binding in selected) else ()


def load_bindings(documents: Iterable[tuple[str, str]]) -> BindingSet:
    """Read binding documents.

    Args:
        documents: (name, YAML text) of each; the core schemas of dt-schema are added where they are not among them.

    Returns:
        The set of them.

    Raises:
        InputError: a document is not YAML (E0510), not a binding (E0511), refers to something that is in none of them
            (E0512) or has the `$id` of another (E0513); all findings of all documents.
    """
    read: dict[str, Document] = {}
    findings: list[Finding] = []
    for name, text in documents:
        try:
            document = read_document(name, text)
        except InputError as error:
            findings += error.findings
            continue
        earlier = read.setdefault(document.id, document)
        if earlier is not document:
            message = f"the `$id` is that of {earlier.name} already"
            findings.append(Finding("E0513", message, document.span(("$id",))))
    core = {document.id: document for document in _core_documents() if document.id not in read}
    known = {**read, **core}
    for document in read.values():
        findings += _unresolved(document, known)
    if findings:
        raise InputError(findings)
    return BindingSet(known.values())


def machine_bindings() -> tuple[tuple[str, str], ...]:
    """The documents that irqframe has for the nodes of a machine, as (path in the binding tree, YAML text), sorted."""
    return tuple(_texts(resources.files(_PACKAGE), ""))


@cache
def _core_documents() -> tuple[Document, ...]:
    core = resources.files(_PACKAGE) / _CORE
    return tuple(parse_document(f"{_CORE}/{name}", text) for name, text in _texts(core, ""))


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != _CORE:
            yield from _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name, entry.read_text(encoding="utf-8")


def _compatibles(schema: Schema) -> tuple[str, ...]:
    """All strings that the schema's `compatible` names, in order."""
    found = dict.fromkeys(_strings(schema.get("properties", {}).get("compatible")))
    return tuple(name for name in found if len(found) == 1 or name not in _SHARED_COMPATIBLES)


def _strings(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "const" and isinstance(value, str):
                yield value
            elif key == "enum" and isinstance(value, list):
                yield from (item for item in value if isinstance(item, str))
            else:
                yield from _strings(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _strings(item)


def _unresolved(document: Document, known: dict[str, Document]) -> Iterator[Finding]:
    from urllib.parse import urljoin

    for path, reference in _references(document.content, ()):
        address, _, fragment = urljoin(document.id, reference).partition("#")
        target = known.get(address)
        if target is None or not _has(target.content, fragment):
            message = f"`$ref` leads nowhere: {reference}"
            expected = "a schema in this set, or one of the core schemas that come with irqframe"
            yield Finding("E0512", message, document.span(path), expected=expected)


def _references(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield (*path, key), item
            else:
                yield from _references(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, (*path, index))


def _has(content: Any, fragment: str) -> bool:
    """Whether a JSON pointer leads to something; the only other fragment is the empty one."""
    for part in fragment.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(content, dict) or name not in content:
            return False
        content = content[name]
    return fragment in ("", "/") or fragment.startswith("/")


@cache
def _validator_class() -> Any:
    """Draft 2019-09 with dt-schema's `typeSize`: how many bits an integer has."""
    from jsonschema import Draft201909Validator, ValidationError, validators

    def type_size(validator: Any, bits: int, instance: Any, schema: Any) -> Iterator[ValidationError]:
        size = getattr(instance, "size", 32)
        if isinstance(instance, int) and size != bits:
            yield ValidationError(f"{size} bits")

    extend: Any = validators.extend
    return extend(Draft201909Validator, {"typeSize": type_size})


def _validator(schema: Schema, registry: Any) -> Validator:
    validator: Validator = _validator_class()(schema, registry=registry)
    return validator
