"""The grammar of DTS, as dtc 1.6.1 reads it.

1. A fault ends its statement; reading goes on behind the next `;`, or at the `}` of the block.
2. Blocks are read with a list of those that are open, not by recursion.
3. Nothing is looked up here: what labels and paths mean is for `_resolve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from irqframe.dt._collected import Collected
from irqframe.dt._expressions import integer
from irqframe.dt._lexer import Lexer, Token
from irqframe.dt._names import DEPTH_MAX, NODES_MAX, PROPERTIES_MAX
from irqframe.dt._places import Text
from irqframe.dt._syntax import Block, Delete, Label, NodeSyntax, Omit, PropertySyntax, Reference, Source
from irqframe.dt._values import ValueParser
from irqframe.dt._words import SyntaxFaultError, Words
from irqframe.errors import Span


def parse_source(text: Text, file: str, include_dirs: Sequence[str], report: Collected) -> Source:
    """Read a DTS text into statements.

    Args:
        text: all of it, preprocessed.
        file: its name; relative names in it start from its folder.
        include_dirs: where else included files are looked for.
        report: takes the findings.

    Raises:
        InputError: it cannot be read on at all.
    """
    words = Words(Lexer(text, file, include_dirs, report), report)
    return _Parser(words, include_dirs).source()


# What may follow the name of a property; of a node with a unit address nothing of it may.
_ENDS_PROPERTY = ("=", ";", "}", "end")


class _Parser:
    def __init__(self, words: Words, include_dirs: Sequence[str]) -> None:
        self.words = words
        self.report = words.report
        self.values = ValueParser(words, include_dirs)
        self.found = Source()
        self.nodes = 0
        self.properties = 0
        # Nodes with a property behind a subnode, which is one fault however many there are.
        self.unordered: set[int] = set()
        # Where the last node ended, and whether something stood outside of all nodes.
        self.ended: Span | None = None
        self.strayed = False

    def source(self) -> Source:
        self._header()
        while self.words.token.kind != "end":
            try:
                self._top_level()
            except SyntaxFaultError:
                self.words.skip_statement()
        self.found.end = self.words.token.span
        self.found.skipped = self.words.skipped
        return self.found

    # Outside of nodes

    def _header(self) -> None:
        """`/dts-v1/;`, in an overlay followed by `/plugin/;`; both may stand there again, and say the same then."""
        words = self.words
        right = words.token.kind in ("/dts-v1/", "end")
        if not right:
            self.report.add(
                "E0114",
                "the text does not begin with /dts-v1/;",
                words.token.span,
                hint="if it is of the old format, dtc -I dts -O dts converts it",
            )
        keywords = []
        while words.token.kind in ("/dts-v1/", "/plugin/"):
            keywords.append(words.take())
            try:
                words.end_statement()
            except SyntaxFaultError:
                words.skip_statement()
        self.found.overlay = any(keyword.kind == "/plugin/" for keyword in keywords)
        if right and self.found.overlay:
            self._check_headers(keywords)

    def _check_headers(self, keywords: list[Token]) -> None:
        order = zip(keywords, cycle(("/dts-v1/", "/plugin/")), strict=False)
        wrong = [keyword for keyword, kind in order if keyword.kind != kind]
        if wrong or len(keywords) % 2:
            self.report.add(
                "E0103",
                "some headers say /plugin/ and others do not",
                (wrong or keywords[-1:])[0].span,
                expected="/plugin/; behind each /dts-v1/;",
            )

    def _top_level(self) -> None:
        words = self.words
        labels = self._labels()
        kind = words.token.kind
        if kind == "/" and not labels:
            slash = words.take()
            self._block(NodeSyntax("", slash.span), None)
        elif kind in ("label-ref", "path-ref"):
            for label in labels[1:]:
                found = f"label '{label.name}:'"
                message = f"expected a reference, found {found}"
                self.report.add("E0103", message, label.span, expected="a reference", found=found)
            target = self._reference(words.take())
            self._block(_node("", target.span, labels), target)
        elif kind == "/memreserve/":
            self._memreserve(labels)
        elif kind == "name" and self.ended is not None:
            self._stray(labels, self.ended)
        elif labels:
            words.fault("'/memreserve/' or a reference behind a label")
            raise SyntaxFaultError
        elif kind in ("/delete-node/", "/omit-if-no-ref/"):
            self._on_node(words.take())
        elif kind in ("/dts-v1/", "/plugin/"):
            self._version(words.take())
        else:
            if kind != "}" or not self.strayed:
                words.fault("'/', a reference, or the end of the text")
            if kind == "}":
                words.take()
            raise SyntaxFaultError

    def _version(self, keyword: Token) -> None:
        # What the overlay's base has is no second fault.
        self.found.overlay = self.found.overlay or keyword.kind == "/plugin/"
        if self.found.statements or self.found.reservations:
            self.report.add("E0103", f"{keyword.kind} stands behind other statements", keyword.span)
        self.words.end_statement()

    def _memreserve(self, labels: list[Label]) -> None:
        keyword = self.words.take()
        if self.found.statements:
            self.report.add("E0117", "/memreserve/ stands behind a node", keyword.span, expected="before all nodes")
        self.found.marks += labels
        entry = integer(self.words), integer(self.words)
        self.words.end_statement()
        if any(entry):  # an entry of zeros is how the list ends in a DTB: it reserves nothing
            self.found.reservations.append(entry)

    def _on_node(self, keyword: Token) -> None:
        if self.words.token.kind not in ("label-ref", "path-ref"):
            self.words.fault("a reference such as &label or &{/path}")
            raise SyntaxFaultError
        target = self._reference(self.words.take())
        self.words.end_statement()
        self.found.statements.append(Delete(target) if keyword.kind == "/delete-node/" else Omit(target))

    def _reference(self, token: Token) -> Reference:
        return Reference(token.text, token.span)

    def _labels(self) -> list[Label]:
        labels = []
        while label := self.words.take_if("label"):
            labels.append(Label(label.text, label.span))
        return labels

    def _stray(self, labels: list[Label], ended: Span) -> None:
        """What belongs in a node and stands outside of all: a brace too many or too few has ended one early.

        That is one fault; the rest is read as if the node went on.
        """
        token = self.words.token
        if not self.strayed:
            self.strayed = True
            self.report.add(
                "E0103",
                f"{token.text[:40]} stands outside of all nodes",
                token.span,
                expected="'/', a reference, or the end of the text",
                hint="a } too many or a { too few above has ended the node early",
                related=((ended, "the node around it ends here"),),
            )
        root = NodeSyntax("", token.span)
        self.found.statements.append(Block(root))
        self._inside(root, labels)

    # Nodes

    def _block(self, root: NodeSyntax, target: Reference | None) -> None:
        self.words.expect("{")
        self.found.statements.append(Block(root, target))
        self._inside(root, [])

    def _inside(self, root: NodeSyntax, labels: list[Label]) -> None:
        """Read the statements of a node up to the `}` that ends it; `labels` stand before the first."""
        words = self.words
        stack = [root]
        while stack:
            node = stack[-1]
            kind = words.token.kind
            try:
                if kind == "}":
                    stack.pop()
                    self.ended = words.take().span
                    words.end_statement()
                elif kind == "end":
                    self._not_ended(node)
                    return
                else:
                    child = self._statement(node, len(stack), labels)
                    if child is not None:
                        stack.append(child)
            except SyntaxFaultError:
                words.skip_statement()
            labels = []

    def _not_ended(self, node: NodeSyntax) -> None:
        """The text ends in a node; that is no fault of its own if another brace was wrong, or a part was left out."""
        if not self.strayed and not any(finding.code == "E0119" for finding in self.report.findings):
            self.words.fault(f"'}}' to end node {node.name or '/'}")

    def _statement(self, node: NodeSyntax, depth: int, labels: list[Label]) -> NodeSyntax | None:
        """Read one statement of a node, some of whose labels may be read; if it opens a child, the child."""
        words = self.words
        labels = labels + self._labels()
        omit = False
        while words.take_if("/omit-if-no-ref/"):
            omit = True
            labels += self._labels()
        kind = words.token.kind
        if kind == "/delete-property/" and not omit:
            words.take()
            self._property(node, words.expect("name"), labels, deleted=True)
        elif kind == "/delete-node/":
            words.take()
            name = words.expect("name", hint="a node is deleted by reference outside of all blocks only")
            words.end_statement()
            gone = _node(name.text, name.span, labels)
            gone.deleted, gone.omit = True, omit
            node.add_child(gone)
        elif kind == "name":
            name = words.take()
            if omit or words.token.kind == "{" or ("@" in name.text and words.token.kind not in _ENDS_PROPERTY):
                return self._child(node, name, labels, depth, omit=omit)
            self._property(node, name, labels, deleted=False)
        else:
            words.fault("a node" if omit else "a property, a node or '}'")
            raise SyntaxFaultError
        return None

    def _child(self, node: NodeSyntax, name: Token, labels: list[Label], depth: int, *, omit: bool) -> NodeSyntax:
        if depth >= DEPTH_MAX:
            self.report.add("E0112", f"nodes are nested more than {DEPTH_MAX} deep", name.span)
            raise SyntaxFaultError
        self.words.open_block()
        self.nodes += 1
        if self.nodes > NODES_MAX:
            self.report.fail("E0212", f"the tree has more than {NODES_MAX} nodes", name.span)
        child = _node(name.text, name.span, labels)
        child.omit = omit
        node.add_child(child)
        return child

    def _property(self, node: NodeSyntax, name: Token, labels: list[Label], *, deleted: bool) -> None:
        prop = PropertySyntax(name.text, name.span, labels, deleted=deleted)
        if node.children and id(node) not in self.unordered:
            self.unordered.add(id(node))
            self.report.add(
                "E0113",
                f"property {name.text} stands behind a subnode",
                name.span,
                expected="properties before subnodes",
                related=((node.children[-1].span, "the subnode"),),
            )
        self.properties += 1
        if self.properties > PROPERTIES_MAX:
            self.report.fail("E0212", f"the tree has more than {PROPERTIES_MAX} properties", name.span)
        node.add_property(prop)
        if not deleted and self.words.take_if("="):
            self.values.value(prop)
        elif not deleted and self.words.token.kind not in (";", "}") and self.words.token.span.line == name.span.line:
            self.words.fault("'=', ';' or '{'")
            raise SyntaxFaultError
        self.words.end_statement()


def _node(name: str, span: Span, labels: list[Label]) -> NodeSyntax:
    node = NodeSyntax(name, span)
    # As dtc: the label next to the name comes first.
    node.add_labels(reversed(labels))
    return node
