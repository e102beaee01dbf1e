"""The C preprocessor, as gcc runs it over DTS: `cpp -nostdinc -undef -D__DTS__ -x assembler-with-cpp`.

1. Text between directives goes out as it came, comments and line ends included; only macro calls are replaced. So all
   that was not made by a macro keeps its place, and what was has the place of its call.
2. A line that begins with `#` and no directive's name is text (`#address-cells`), as in assembler source.
3. What is read, what is included and what comes of macros is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from irqframe.dt._collected import Collected
from irqframe.dt._cpp_conditionals import Conditionals
from irqframe.dt._cpp_directives import Directives
from irqframe.dt._cpp_expand import Expander, ExpansionError, Following, TooMuchError
from irqframe.dt._cpp_includes import DEPTH_MAX, Includes
from irqframe.dt._cpp_macros import Macro
from irqframe.dt._cpp_output import Output
from irqframe.dt._cpp_tokens import COMMENT, NUMBER, STRING, CppToken, spelled, would_join
from irqframe.dt._directives import directive_at
from irqframe.dt._files import TEXT_MAX
from irqframe.dt._places import SourceText, Text

COMMAND_LINE = "<command line>"

# What stands still: strings, comments, numbers, of which no part is a name; then what may matter.
_STILL = rf"(?P<still>{STRING}|{COMMENT}|{NUMBER})"
_LIVE = re.compile(rf"{_STILL}|(?P<hash>\#)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<splice>\\\r?\n)", re.DOTALL)
_SKIPPED = re.compile(rf"{_STILL}|(?P<hash>\#)", re.DOTALL)


def preprocess(source: SourceText, include_dirs: Sequence[str], defines: Sequence[str], report: Collected) -> Text:
    """Carry out the directives of a text and replace its macros.

    Args:
        source: the text.
        include_dirs: where files are looked for, beside the folder of the file that includes them.
        defines: macros to begin with, as `NAME` or `NAME=VALUE`.
        report: takes the findings (E0002 to E0006, E0118 to E0123, W0125, W0126).

    Returns:
        The text.

    Raises:
        InputError: it cannot be read on at all.
    """
    return _Preprocessor(source.name, include_dirs, report).run(source, defines)


class _Preprocessor:
    def __init__(self, file: str, include_dirs: Sequence[str], report: Collected) -> None:
        self.report = report
        self.includes = Includes(file, include_dirs, report)
        self.macros: dict[str, Macro] = {}
        self.output = Output()
        self.expander = Expander(self.macros)
        self.directives = Directives(self.macros, self.expander, self.includes, report)
        self.wrong: set[str] = set()
        self._depth = 0
        self._here: tuple[SourceText, int] = (SourceText(file, ""), 0)
        self._counter = 0
        self._predefine()

    def run(self, source: SourceText, defines: Sequence[str]) -> Text:
        """All of it."""
        if defines:
            lines = [
                f"#define {name} {value if equals else 1}"
                for name, equals, value in (define.partition("=") for define in defines)
            ]
            given = SourceText(COMMAND_LINE, "\n".join(lines))
            self.report.sources.add(given)
            self._file(given)
        self._file(source)
        text = self.output.text(source)
        return text._replace(macros=self.macros, reported=self.wrong)

    def _predefine(self) -> None:
        for name in ("__DTS__", "__ASSEMBLER__", "__STDC__"):
            self.macros[name] = Macro(name, (CppToken("number", "1"),), literal="1")
        made = {
            "__FILE__": lambda: CppToken("string", f'"{self._here[0].place(self._here[1])[0]}"'),
            "__LINE__": lambda: CppToken("number", str(self._here[0].place(self._here[1])[1])),
            "__INCLUDE_LEVEL__": lambda: CppToken("number", str(self._depth - 1)),
            "__COUNTER__": self._count,
        }
        for name, make in made.items():
            self.macros[name] = Macro(name, (), made=make)

    def _count(self) -> CppToken:
        self._counter += 1
        return CppToken("number", str(self._counter - 1))

    def _file(self, source: SourceText) -> None:
        """Read one file; those that it includes are read where they are included."""
        text, output = source.text, self.output
        groups = Conditionals()
        self._depth += 1
        at = copied = 0
        while found := (_LIVE if groups.live else _SKIPPED).search(text, at):
            kind, start, at = found.lastgroup, found.start(), found.end()
            self._here = (source, start)
            if kind == "name":
                if found[0] in self.macros:
                    replaced = self._call(source, copied, start, at, self.macros[found[0]])
                    if replaced is not None:
                        at = copied = replaced
            elif kind == "splice" or (kind == "still" and found[0].startswith("//") and "\n" in found[0]):
                # A spliced line, and a comment that goes on behind one, which the scanner of DTS would end too early.
                if groups.live:
                    output.copy(source, copied, start)
                copied = at
            elif kind == "still" and text.startswith("/*", start):
                if not text.endswith("*/", start + 4, at):
                    place = self.directives.place(source, start, start + 2)
                    self.report.fail("E0107", "the comment has no end", place, expected="*/")
            elif kind == "hash":
                directive = directive_at(text, start)
                if directive is not None:
                    if groups.live:
                        output.copy(source, copied, start)
                    included, at = self.directives.carry_out(source, start, directive, groups)
                    copied = at
                    if included is not None:
                        self._include(included, source, start, at)
        if groups.live:
            output.copy(source, copied, len(text))
        output.end_line(source)
        for start in groups.unclosed():
            directive = directive_at(text, start)
            assert directive is not None
            span = self.directives.place(source, start, directive.end)
            self.report.add("E0119", f"#{directive.name} has no #endif", span, expected="#endif in the same file")
        self._depth -= 1

    def _include(self, included: SourceText, source: SourceText, start: int, end: int) -> None:
        if self._depth > DEPTH_MAX:
            span = self.directives.place(source, start, end)
            self.report.fail("E0006", "files include each other too deeply", span, expected=f"at most {DEPTH_MAX} deep")
        self.output.end_line(source)
        self._file(included)
        self._check_size(source, start, end)

    def _call(self, source: SourceText, copied: int, start: int, end: int, macro: Macro) -> int | None:
        """Replace a macro's call, whose name stands from `start` to `end`; where it ends, None if it is none."""
        last: str
        if macro.literal is not None:
            made, last = macro.literal, macro.body[-1].text if macro.body else ""
        else:
            following = Following(source.text, end)
            called = CppToken("name", macro.name)
            try:
                tokens = self.expander.call(called, following)
            except TooMuchError as error:
                self.report.fail("E0123", str(error), self.directives.place(source, start, end))
            except ExpansionError as error:
                self.wrong.add(macro.name)
                self.report.add("E0121", str(error), self.directives.place(source, start, end), hint=_defined(macro))
                return None
            if following.at == end and [token.text for token in tokens] == [macro.name]:
                return None
            end = following.at
            made, last = spelled(tokens), tokens[-1].text if tokens else ""
        output = self.output
        output.copy(source, copied, start)
        if would_join(output.last, made):
            made = " " + made
        if would_join(last or output.last, source.text[end : end + 1]):
            made += " "
        output.replace(source, start, end, made, macro.defined)
        self._check_size(source, start, end)
        return end

    def _check_size(self, source: SourceText, start: int, end: int) -> None:
        if self.output.size > TEXT_MAX:
            span = self.directives.place(source, start, end)
            self.report.fail("E0123", f"the text grows to more than {TEXT_MAX >> 20} MiB", span)


def _defined(macro: Macro) -> str:
    return f"it is defined at {macro.defined}" if macro.defined else ""
