"""The directives (C11 6.10): each a method, found by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from irqframe.dt._collected import Collected
from irqframe.dt._cpp_condition import ConditionError, holds
from irqframe.dt._cpp_conditionals import Conditionals, UnpairedError
from irqframe.dt._cpp_expand import Expander, ExpansionError, TooMuchError
from irqframe.dt._cpp_includes import Includes
from irqframe.dt._cpp_macros import DefinitionError, Macro, read_definition
from irqframe.dt._cpp_tokens import COMMENT, STRING, CppToken, tokens
from irqframe.dt._directives import Directive
from irqframe.dt._places import SourceText, Text
from irqframe.errors import Finding, Span

# The rest of a directive's logical line: comments and spliced line ends are in it.
_REST = re.compile(rf"""(?:[^\n"'/\\]++|\\\r?\n|\\|{STRING}|{COMMENT}|/)*+""", re.DOTALL)
_SPLICE = re.compile(r"\\\r?\n")
_FILE_NAME = re.compile(r'\s*(?:"([^"\n]+)"|<([^>\n]+)>)')


class _Line:
    """One directive.

    Attributes:
        source: the file it stands in.
        start: offset of its `#`.
        behind: offset behind its name.
        end: offset of its end.
        groups: of the file.
        name: its name.
    """

    __slots__ = ("behind", "end", "groups", "name", "source", "start")

    def __init__(self, source: SourceText, start: int, directive: Directive, groups: Conditionals) -> None:
        self.source, self.start, self.groups = source, start, groups
        self.name, self.behind = directive
        found = _REST.match(source.text, self.behind)
        assert found is not None
        self.end = found.end()

    @property
    def rest(self) -> str:
        """What stands behind the name, comments in it, in one line."""
        return _SPLICE.sub("", self.source.text[self.behind : self.end])


class Directives:
    """Carries out directives on one set of macros."""

    def __init__(self, macros: dict[str, Macro], expander: Expander, includes: Includes, report: Collected) -> None:
        self.macros = macros
        self.expander = expander
        self.includes = includes
        self.report = report
        self._once: set[str] = set()

    def carry_out(
        self, source: SourceText, start: int, directive: Directive, groups: Conditionals
    ) -> tuple[SourceText | None, int]:
        """Carry out the directive whose `#` stands at `start`.

        Returns:
            The file to read next if it is an `#include`, else None; and where the directive ends.
        """
        line = _Line(source, start, directive, groups)
        name = line.name
        if name in _ALWAYS:
            try:
                _ALWAYS[name](self, line)
            except UnpairedError as error:
                self._add("E0119", f"#{name}: {error}", line, line.start, line.behind)
            return None, line.end
        if not groups.live:
            return None, line.end
        if name in ("include", "import"):
            return self._include(line), line.end
        _LIVE[name](self, line)
        return None, line.end

    def place(self, source: SourceText, start: int, end: int) -> Span:
        """Where a part of a file is."""
        return Text.plain(source).places.span(start, end)

    def _add(self, code: str, message: str, line: _Line, start: int, end: int, expected: str = "") -> None:
        self.report.add(code, message, self.place(line.source, start, end), expected=expected)

    def _about(self, code: str, message: str, line: _Line, expected: str = "") -> None:
        """A finding about what stands behind the name."""
        text = line.source.text
        start = line.behind + len(text[line.behind : line.end]) - len(text[line.behind : line.end].lstrip())
        end = max(start + 1, start + len(text[start : line.end].split("\n")[0].rstrip()))
        if start >= line.end:
            start, end = line.start, line.behind
        self._add(code, message, line, start, end, expected)

    # Conditions

    def _if(self, line: _Line) -> None:
        line.groups.begin(line.start, lambda: self._holds(line))

    def _ifdef(self, line: _Line) -> None:
        line.groups.begin(line.start, lambda: self._is_defined(line))

    def _ifndef(self, line: _Line) -> None:
        line.groups.begin(line.start, lambda: not self._is_defined(line))

    def _elif(self, line: _Line) -> None:
        line.groups.other(lambda: self._holds(line))

    def _else(self, line: _Line) -> None:
        line.groups.other(lambda: True, last=True)

    def _endif(self, line: _Line) -> None:
        line.groups.end()

    def _is_defined(self, line: _Line) -> bool:
        found = tokens(line.rest)
        if not found or found[0].kind != "name":
            self._about("E0118", f"#{line.name} names no macro", line, "an identifier")
            return False
        return found[0].text in self.macros

    def _holds(self, line: _Line) -> bool:
        try:
            return holds(self.expander.expand(self._without_defined(tokens(line.rest))))
        except TooMuchError as error:
            self.report.fail("E0123", str(error), self.place(line.source, line.start, line.behind))
        except (ConditionError, ExpansionError) as error:
            self._about("E0122", f"#{line.name} has no value: {error}", line, "an integer expression")
            return False

    def _without_defined(self, found: list[CppToken]) -> list[CppToken]:
        """The expression with `defined X` and `defined(X)` replaced by 1 or 0, before any macro is expanded."""
        out: list[CppToken] = []
        at = 0
        while at < len(found):
            token = found[at]
            at += 1
            if token.text == "defined":
                texts = [other.text for other in found[at : at + 3]]
                in_parentheses = len(texts) == 3 and (texts[0], texts[2]) == ("(", ")")
                name = texts[1] if in_parentheses else "".join(texts[:1])
                if not (name.isidentifier() and name.isascii()):
                    raise ConditionError("`defined` names no macro")
                at += 3 if in_parentheses else 1
                token = CppToken("number", str(int(name in self.macros)))
            out.append(token)
        return out

    # Macros

    def _define(self, line: _Line) -> None:
        file, number, _ = line.source.place(line.start)
        try:
            macro = read_definition(line.rest, f"{file}:{number}")
        except DefinitionError as error:
            self._about("E0118", f"#define: {error}", line, "NAME VALUE, or NAME(PARAMETERS) VALUE")
            return
        known = self.macros.get(macro.name)
        if known is not None and known.defined and not macro.same_as(known):
            span = self.place(line.source, line.start, line.behind)
            message = f"macro {macro.name} is defined again, otherwise than at {known.defined}"
            self.report.keep(Finding("W0126", message, span, excerpt=self.report.sources.line(span)))
        self.macros[macro.name] = macro

    def _undef(self, line: _Line) -> None:
        found = tokens(line.rest)
        if not found or found[0].kind != "name":
            self._about("E0118", "#undef names no macro", line, "an identifier")
        else:
            self.macros.pop(found[0].text, None)

    # Files

    def _include(self, line: _Line) -> SourceText | None:
        found = _FILE_NAME.match(line.rest)
        if found is None:
            # A macro may say which file.
            try:
                made = self.expander.expand(tokens(line.rest))
                found = _FILE_NAME.match("".join(f"{' ' * token.spaced}{token.text}" for token in made))
            except TooMuchError as error:
                self.report.fail("E0123", str(error), self.place(line.source, line.start, line.behind))
            except ExpansionError:
                found = None
        if found is None:
            self._about("E0118", f"#{line.name} names no file", line, '"FILE" or <FILE>')
            return None
        quoted, angled = found.groups()
        name = quoted or angled
        at = line.source.text.find(name, line.behind, line.end)
        start, end = (line.behind, line.end) if at < 0 else (at - 1, at + len(name) + 1)
        span = self.place(line.source, start, end)
        included = self.includes.find(name, line.source.name if quoted else None, span)
        if included is None or included.name in self._once:
            return None
        if line.name == "import":
            self._once.add(included.name)
        return included

    def _include_next(self, line: _Line) -> None:
        self._about("E0118", "#include_next is not for device trees", line, "#include")

    def _pragma(self, line: _Line) -> None:
        if [token.text for token in tokens(line.rest)] == ["once"]:
            self._once.add(line.source.name)

    # Messages

    def _error(self, line: _Line) -> None:
        self._about("E0120", f"#error: {line.rest.strip()}", line)

    def _warning(self, line: _Line) -> None:
        span = self.place(line.source, line.start, line.behind)
        message = f"#warning: {line.rest.strip()}"
        self.report.keep(Finding("W0125", message, span, excerpt=self.report.sources.line(span)))


_Carried = Callable[[Directives, _Line], None]

# Read even where nothing else is, to find the end of it.
_ALWAYS: Mapping[str, _Carried] = MappingProxyType(
    {
        "if": Directives._if,
        "ifdef": Directives._ifdef,
        "ifndef": Directives._ifndef,
        "elif": Directives._elif,
        "else": Directives._else,
        "endif": Directives._endif,
    }
)
_LIVE: Mapping[str, _Carried] = MappingProxyType(
    {
        "define": Directives._define,
        "undef": Directives._undef,
        "include_next": Directives._include_next,
        "pragma": Directives._pragma,
        "error": Directives._error,
        "warning": Directives._warning,
    }
)
