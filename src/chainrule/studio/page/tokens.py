"""The tokens of a JavaScript module: enough to tell code from strings, comments, templates and regular expressions.

`tokenize` splits a text into names, numbers, strings, template parts, regular expressions and punctuators, and says of
each in which brackets it stands. It checks no syntax beyond that: a browser does.

A slash begins a regular expression where an operand is due, and divides where one has just ended. After `)` that
depends on what is before the matching `(` (`if (a) /b/.test(c)`), after `}` on what the matching `{` opened, so both
are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["name", "number", "string", "template", "regex", "punctuator"]
Bracket = Literal["control", "group", "list", "template", "block", "function", "class", "object"]
"""What a bracket opens: the head of an `if`, `for`, ...; other parentheses; `[`; `${`; and four kinds of `{`."""

_SPACE = re.compile(r"\s+|//[^\n]*")
_NAME = re.compile(r"#?(?:[^\W\d]|[$\\])(?:\w|[$\\\u200c\u200d])*")
_NUMBER = re.compile(r"0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?n?")
_STRING = re.compile(r"'(?:[^'\\\n]|\\[\s\S])*'|\"(?:[^\"\\\n]|\\[\s\S])*\"")
_CHUNK = re.compile(r"(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)")
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
_PUNCTUATOR = re.compile(
    r">>>=|\.\.\.|===|!==|\*\*=|<<=|>>=|>>>|&&=|\|\|=|\?\?=|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?!\d)|\+\+|--"
    r"|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|>>|\*\*|[-{}()\[\];,<>+*/%&|^!~?:=.@]"
)

_CONTROL = {"if", "for", "while", "with", "switch", "catch"}
_OPERAND_DUE = {
    *(
        "return",
        "typeof",
        "case",
        "in",
        "of",
        "new",
        "void",
        "delete",
        "throw",
        "await",
        "yield",
        "instanceof",
    ),
    *("extends", "else", "do"),
}
_OBJECT_DUE = _OPERAND_DUE - {"else", "do"} | {"const", "let", "var"}  # a pattern counts as an object
_CLOSING = {")": "(", "]": "[", "}": "{"}


class TokenError(ValueError):
    """A string, a comment, a template, a regular expression or a bracket that does not end."""

    def __init__(self, message: str, line: int) -> None:
        """Store the line, from 1."""
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class Token:
    """A token and its place.

    start: the offset of its first character.  line: from 1.
    after_newline: whether a line ends between the token before and this one.
    inside: the brackets that are open around it, outermost first; an opening bracket is not inside itself.
    in_function: whether a function's body is around it, that of an arrow function without braces too.
    opens: what an opening bracket opens.  match: the index of the other bracket of a pair.
    """

    kind: Kind
    text: str
    start: int
    line: int
    after_newline: bool
    inside: tuple[Bracket, ...]
    in_function: bool
    opens: Bracket | None = None
    match: int = -1

    @property
    def end(self) -> int:
        """The offset behind its last character."""
        return self.start + len(self.text)


def ends_operand(tokens: Sequence[Token], i: int) -> bool:
    """Return whether an operand ends with token i: a slash behind it divides, a name behind it begins a statement."""
    if i < 0:
        return False
    token = tokens[i]
    if token.kind == "name":
        return token.text not in _OPERAND_DUE or (i > 0 and tokens[i - 1].text in (".", "?."))
    if token.kind == "template":
        return token.text.endswith("`")
    if token.kind != "punctuator":
        return True
    if token.text in (")", "}"):
        return tokens[token.match].opens == ("group" if token.text == ")" else "object")
    return token.text in ("]", "++", "--")


@dataclass
class _Reader:
    """The state of one pass over a text."""

    text: str
    tokens: list[Token] = field(default_factory=list)
    open: list[int] = field(default_factory=list)  # indices of the brackets that are open
    inside: tuple[Bracket, ...] = ()
    arrows: list[int] = field(
        default_factory=list
    )  # depths at which an arrow function without braces has its body
    classes: list[int] = field(default_factory=list)  # depths at which the head of a class waits for its body
    cases: list[int] = field(default_factory=list)  # depths at which a `case` waits for its colon
    case_colon: int = -1  # the index of the last colon of a `case`
    line: int = 1
    newline: bool = False

    def back(self, n: int = 1) -> Token | None:
        return self.tokens[-n] if len(self.tokens) >= n else None

    def is_property(self, n: int) -> bool:
        """Whether the token n back is a name after a dot."""
        before = self.back(n + 1)
        return before is not None and before.text in (".", "?.")

    def opened_by(self, bracket: str) -> Bracket:
        """What an opening bracket opens after the tokens so far."""
        last = self.back()
        if bracket == "[":
            return "list"
        if bracket == "(":
            n = (
                2
                if last is not None and last.text == "await" and getattr(self.back(2), "text", "") == "for"
                else 1
            )
            head = self.back(n)
            is_control = head is not None and head.text in _CONTROL and not self.is_property(n)
            return "control" if is_control else "group"
        if self.classes and self.classes[-1] == len(self.open):
            self.classes.pop()
            return "class"
        if last is None or last.text in (";", "{", "}"):
            return "block"
        if last.text == ")":
            return "function" if self.tokens[last.match].opens == "group" else "block"
        if last.text == "=>":
            return "function"
        if last.text == ":" and self.case_colon == len(self.tokens) - 1:
            return "block"
        if last.kind == "name":
            is_object = last.text in _OBJECT_DUE and not self.is_property(1)
            return "object" if is_object else "block"
        return "object" if last.kind in ("punctuator", "template") else "block"

    def add(self, kind: Kind, text: str, start: int) -> Token:
        depth = len(self.open)
        last = self.back()
        # Two operands side by side are of two statements, so the arrow function before them has ended.
        ended = text in (",", ";") or (
            self.newline and kind == "name" and ends_operand(self.tokens, len(self.tokens) - 1)
        )
        while self.arrows and (self.arrows[-1] > depth or (ended and self.arrows[-1] == depth)):
            self.arrows.pop()
        if last is not None and last.text == "=>" and text != "{":
            self.arrows.append(depth)
        in_function = bool(self.arrows) or "function" in self.inside
        token = Token(kind, text, start, self.line, self.newline, self.inside, in_function)
        if kind == "name" and not (last is not None and last.text in (".", "?.")):
            if text == "class":
                self.classes.append(depth)
            elif text in ("case", "default"):
                self.cases.append(depth)
        elif text == ":":
            if self.cases and self.cases[-1] == depth:
                self.cases.pop()
                self.case_colon = len(self.tokens)
            if self.classes and self.classes[-1] == depth:
                self.classes.pop()  # a key: {class: 'a'}
        self.tokens.append(token)
        self.line += text.count("\n")
        self.newline = False
        return token

    def push(self, what: Bracket) -> None:
        """Note that the last token opened a bracket."""
        self.tokens[-1].opens = what
        self.open.append(len(self.tokens) - 1)
        self.inside = (*self.inside, what)

    def pop(self) -> int:
        index = self.open.pop()
        self.inside = self.inside[:-1]
        for waiting in (self.arrows, self.classes, self.cases):
            while waiting and waiting[-1] > len(self.open):
                waiting.pop()
        return index

    def pair(self, closing: str, start: int) -> None:
        """Add a closing bracket and tie it to its opening one."""
        expected = _CLOSING[closing]
        if not self.open or self.tokens[self.open[-1]].text != expected:
            raise TokenError(f"{closing!r} closes nothing", self.line)
        opening = self.pop()
        self.add("punctuator", closing, start)
        self.tokens[-1].match = opening
        self.tokens[opening].match = len(self.tokens) - 1

    def scan(self, pattern: re.Pattern[str], at: int, what: str) -> str:
        found = pattern.match(self.text, at)
        if found is None:
            raise TokenError(f"{what} does not end", self.line)
        return found[0]

    def chunk(self, at: int, start: int) -> int:
        """Add a part of a template, from a backtick or the brace behind an expression; return where it ends."""
        text = self.text[start:at] + self.scan(_CHUNK, at, "a template literal")
        self.add("template", text, start)
        if text.endswith("${"):
            self.push("template")
        return start + len(text)

    def step(self, at: int) -> int:
        """Read one token, comment or run of space, and return the offset behind it."""
        text = self.text
        c = text[at]
        if space := _SPACE.match(text, at):
            self.newline |= "\n" in space[0]
            self.line += space[0].count("\n")
            return space.end()
        if text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0:
                raise TokenError("a comment does not end", self.line)
            self.newline |= "\n" in text[at:end]
            self.line += text.count("\n", at, end)
            return end + 2
        if c == "`":
            return self.chunk(at + 1, at)
        if c == "}" and self.inside[-1:] == ("template",):
            self.pop()
            return self.chunk(at + 1, at)
        if found := _NAME.match(text, at):
            return self.add("name", found[0], at).end
        if c in "'\"":
            return self.add("string", self.scan(_STRING, at, "a string"), at).end
        if c.isdecimal() or (c == "." and text[at + 1 : at + 2].isdecimal()):
            return self.add("number", self.scan(_NUMBER, at, "a number"), at).end
        if c == "/" and not ends_operand(self.tokens, len(self.tokens) - 1):
            return self.add("regex", self.scan(_REGEX, at, "a regular expression"), at).end
        if c in _CLOSING:
            self.pair(c, at)
            return at + 1
        found = _PUNCTUATOR.match(text, at)
        if found is None:
            raise TokenError(f"{c!r} is no JavaScript", self.line)
        what = self.opened_by(c) if c in "([{" else None
        token = self.add("punctuator", found[0], at)
        if what is not None:
            self.push(what)
        return token.end


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a module. Raises TokenError where one does not end or a bracket has no other."""
    reader = _Reader(text)
    at = 0
    while at < len(text):
        at = reader.step(at)
    if reader.open:
        token = reader.tokens[reader.open[-1]]
        raise TokenError(f"{token.text[-2:]!r} is not closed", token.line)
    return reader.tokens
