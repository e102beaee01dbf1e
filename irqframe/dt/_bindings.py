"""Sets of binding documents: which are known, and which apply to a node.

1. A document applies to the nodes that its `select` accepts; without `select` to those one of whose `compatible`
   strings it names first, else to those with its `$nodename` (dt-schema).
2. The core schemas of dt-schema that bindings refer to are always at hand. Those among them that are for all nodes are
   applied where another document applies, and nowhere else; those for nodes of some name, if they are a machine's.
   With folders of documents that the user names, all of them are for all of their nodes, as dt-validate has it.
3. Of documents with one `$id`, that in the first folder of the user's counts, then that of the caller, then the core's.
   Of those that name one `compatible`, likewise.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from irqframe.dt._binding_file import Document, read_document
from irqframe.dt._binding_folder import BindingFolders
from irqframe.dt._binding_index import Index
from irqframe.dt._binding_references import leads_nowhere, references, referring
from irqframe.dt._decode import decode
from irqframe.dt._kept_documents import keep, kept
from irqframe.dt._property_types import PropertyTypes
from irqframe.dt._schema_fixups import prepared
from irqframe.dt._schema_names import Names, names_in
from irqframe.dt._schema_registry import SchemaRegistry
from irqframe.dt._select_gate import Gate, gate_of
from irqframe.dt._shipped import core_schemas, prepared_ahead
from irqframe.dt._tree import Node
from irqframe.errors import Finding, InputError, Span

if TYPE_CHECKING:
    from jsonschema import ValidationError

Schema = dict[str, Any]

# The core schemas for nodes of some name that a machine is made of.
_CORE = "http://devicetree.org/schemas/"
_OF_MACHINES = frozenset(
    f"{_CORE}{name}.yaml" for name in ("cpus", "cpu-map", "memory", "interrupt-controller", "pci/pci-bus-common")
)


class Binding:
    """One document of a set.

    Attributes:
        name: what findings call the file.
        id: its `$id`, without the trailing #.
    """

    def __init__(self, name: str, identity: str, registry: SchemaRegistry) -> None:
        self.name = name
        self.id = identity
        self._registry = registry

    @cached_property
    def schema(self) -> Schema:
        """What it means, in draft 2019-09."""
        return self._registry.schema(self.id) or {"$id": self.id}

    @cached_property
    def for_all_nodes(self) -> bool:
        """Whether its `select` accepts a node that has nothing, as that of most core schemas does."""
        return self.selects({"$nodename": ["node"]})

    @cached_property
    def names(self) -> Names:
        """The properties and children that it, or a document that it refers to, says something of."""
        return names_in(self.schema, self._registry.schema)

    def selects(self, instance: Schema) -> bool:
        """Whether its `select` accepts a node's value; False without `select`."""
        select = self.schema.get("select", False)
        if isinstance(select, bool):
            return select
        return not self._registry.errors(self.id, "select", instance)

    def errors(self, instance: Schema) -> list[ValidationError]:
        """What is wrong with a node's value."""
        return self._registry.errors(self.id, "", instance)


class BindingSet:
    """Binding documents that are applied together.

    Attributes:
        types: what they say of properties.
        folders: those that the user named.
    """

    def __init__(
        self,
        documents: Iterable[tuple[str, Schema]],
        core: Iterable[tuple[str, Schema]] = (),
        folders: BindingFolders | None = None,
    ) -> None:
        """Take documents together.

        Args:
            documents: (name, prepared schema) of each.
            core: the core schemas, likewise; for those that are not among the documents.
            folders: those that the user named.
        """
        self.folders = folders
        self._own = {str(schema["$id"]): (name, schema) for name, schema in documents}
        own = Index()
        for _, schema in self._own.values():
            if folders is None or schema["$id"] not in folders:
                own.put(schema)
        for name, schema in core:
            if schema["$id"] not in self._own and (folders is None or schema["$id"] not in folders):
                self._own[schema["$id"]] = (name, schema)
                own.put(schema, selects=folders is not None or _is_of_machines(schema))
        self._indexes: tuple[Index, ...] = (own,) if folders is None else (folders.index, own)
        self.types = PropertyTypes()
        for index in self._indexes:
            self.types.add(index.types)
        self._begin()

    def _begin(self) -> None:
        self._registry = SchemaRegistry(self.schema)
        self._bindings: dict[str, Binding] = {}

    def anew(self) -> BindingSet:
        """The same documents, none of which was applied yet: what is found while trees are checked is not shared."""
        made = copy.copy(self)
        made._begin()
        return made

    def schema(self, name: str) -> Schema | None:
        """What the document with an `$id` means; None if there is none."""
        if self.folders is not None and name in self.folders:
            return self.folders.schema(name)
        return self._own[name][1] if name in self._own else None

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All documents but those of folders."""
        return tuple(self._binding(name) for name in self._own)

    @property
    def broken(self) -> tuple[tuple[str, str], ...]:
        """(`$id`, `$ref`) of each reference that leads nowhere, in the documents that were applied so far."""
        return tuple((name, each) for name, found in self._registry.broken.items() for each in found)

    @property
    def endless(self) -> tuple[str, ...]:
        """`$id`s of the documents that were to be applied and could not, because they have no end."""
        return tuple(self._registry.endless)

    def place(self, name: str, reference: str = "") -> Span:
        """Where the document with an `$id` has that, or a `$ref`."""
        if self.folders is not None and name in self.folders:
            return self.folders.place(name, reference)
        return Span(self._own[name][0])

    def knows(self, compatible: str) -> bool:
        """Whether a document is for a `compatible`."""
        return any(compatible in index for index in self._indexes)

    def _binding(self, name: str) -> Binding:
        if name not in self._bindings:
            filed = self.folders is not None and name in self.folders
            file = self.folders.name(name) if self.folders is not None and filed else self._own[name][0]
            self._bindings[name] = Binding(file, name, self._registry)
        return self._bindings[name]

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
        compatible = {name for name in names if isinstance(name, str)}
        selected = [*self._named(names)]
        for index in self._indexes:
            candidates = map(self._binding, index.gates.admitting(instance, compatible))
            selected += [binding for binding in candidates if binding.selects(instance)]
        if self.folders is None and all(binding.for_all_nodes for binding in selected):
            return ()
        return tuple(selected)

    def _named(self, compatible: list[Any]) -> Iterator[Binding]:
        for name in compatible:
            for index in self._indexes:
                if name in index.by_compatible:
                    yield self._binding(index.by_compatible[name])
                    return


def _is_of_machines(core: Schema) -> bool:
    """Whether a core schema is for all nodes, or for those that a machine is made of."""
    select = core.get("select")
    return core["$id"] in _OF_MACHINES or (
        select is not None and gate_of(core) == Gate(speaks_of=gate_of(core).speaks_of)
    )


def load_bindings(documents: Iterable[tuple[str, str]], folders: BindingFolders | None = None) -> BindingSet:
    """Read binding documents.

    Args:
        documents: (name, YAML text) of each; the core schemas of dt-schema are added where they are not among them.
        folders: documents of the user's, which count before all of these.

    Returns:
        The set of them.

    Raises:
        InputError: a document is not YAML (E0510), not a binding (E0511), refers to something that is in none of them
            (E0512) or has the `$id` of another (E0513); all findings of all documents.
    """
    read: dict[str, tuple[str, Schema]] = {}
    texts: dict[str, str] = {}
    findings: list[Finding] = []
    for name, text in documents:
        try:
            schema = _meaning(name, text)
        except InputError as error:
            findings += error.findings
            continue
        earlier = read.setdefault(schema["$id"], (name, schema))
        if earlier[1] is not schema:
            message = f"the `$id` is that of {earlier[0]} already"
            findings.append(Finding("E0513", message, read_document(name, text).span(("$id",))))
        texts.setdefault(schema["$id"], text)
    made = BindingSet(read.values(), _core(), folders)
    for identity, (name, schema) in read.items():
        if any(leads_nowhere(identity, part["$ref"], made.schema) for part in referring(schema)):
            findings += _unresolved(read_document(name, texts[identity]), made)
    if findings:
        raise InputError(findings)
    return made


def _meaning(name: str, text: str) -> Schema:
    """What a document means, from where that is known already if possible."""
    schema = prepared_ahead(text) or kept(name, text)
    if schema is None:
        schema = prepared(read_document(name, text).content)
        keep(name, text, schema)
    return schema


def _core() -> Iterator[tuple[str, Schema]]:
    for name, text in core_schemas():
        yield name, prepared_ahead(text) or prepared(read_document(name, text).content)


def _unresolved(document: Document, known: BindingSet) -> Iterator[Finding]:
    for path, reference in references(document.content):
        if leads_nowhere(document.id, reference, known.schema):
            message = f"`$ref` leads nowhere: {reference}"
            expected = "a schema in this set, or one of the core schemas that come with irqframe"
            yield Finding("E0512", message, document.span(path), expected=expected)
