"""The part of the Velocity Template Language that mapping templates of mock integrations use.

References, `#set`, `#if`/`#elseif`/`#else`/`#end`, comparisons, `&&`, `||`, `!`, and the commonest methods. Anything
else is a TemplateError that says what is not emulated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any


class TemplateError(ValueError):
    """A template uses what is not emulated, or is not well formed."""


_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"[^\"]*\"|'[^']*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>\$!?\{?|[A-Za-z_][\w\-]*)"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[!<>().,=\[\]}]))"
)
_DIRECTIVE = re.compile(
    r"##[^\n]*\n?|#(?P<name>set|if|elseif|else|end|foreach|macro|stop|define)\b\s*|(?P<ref>\$!?\{?(?=[A-Za-z_]))"
)

_TEXT_METHODS: dict[str, Callable[..., Any]] = {
    "matches": lambda text, pattern: re.fullmatch(pattern, text) is not None,
    "equals": lambda text, other: text == other,
    "equalsIgnoreCase": lambda text, other: text.lower() == str(other).lower(),
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "isEmpty": lambda text: not text,
    "length": len,
    "toLowerCase": str.lower,
    "toUpperCase": str.upper,
    "trim": str.strip,
    "replaceAll": lambda text, pattern, by: re.sub(pattern, by, text),
}
_MAP_METHODS: dict[str, Callable[..., Any]] = {
    "get": lambda values, name: values.get(name),
    "containsKey": lambda values, name: name in values,
    "isEmpty": lambda values: not values,
    "size": len,
}


class Template:
    """One rendering of a template over its variables, which `#set` may change."""

    def __init__(self, text: str, variables: MutableMapping[str, Any]) -> None:
        self._text = text
        self._at = 0
        self._variables = variables

    def render(self) -> str:
        """The rendered text."""
        output, ended_by = self._block(active=True)
        if ended_by:
            raise TemplateError(f"#{ended_by} without #if")
        return output

    def _block(self, *, active: bool) -> tuple[str, str]:
        """Render up to the directive that ends the block; gives the text and that directive's name."""
        parts: list[str] = []
        while found := _DIRECTIVE.search(self._text, self._at):
            parts.append(self._text[self._at : found.start()])
            self._at = found.end()
            name = found["name"]
            if found["ref"]:
                self._at = found.start()
                parts.append(self._reference_text())
            elif name == "set":
                self._set(active=active)
            elif name == "if":
                parts.append(self._if(active=active))
            elif name in {"elseif", "else", "end"}:
                return ("".join(parts) if active else ""), name
            elif name:
                raise TemplateError(f"not emulated: #{name} in a mapping template")
        parts.append(self._text[self._at :])
        self._at = len(self._text)
        return ("".join(parts) if active else ""), ""

    def _if(self, *, active: bool) -> str:
        taken, output, directive = False, "", "if"
        while directive in {"if", "elseif", "else"}:
            condition = True if directive == "else" else _truth(self._parenthesized())
            chosen = active and condition and not taken
            text, directive = self._block(active=chosen)
            taken = taken or condition
            output += text if chosen else ""
        if directive != "end":
            raise TemplateError("#if without #end")
        return output

    def _set(self, *, active: bool) -> None:
        self._expect("(")
        path = [name for name, arguments in self._reference() if arguments is None]
        self._expect("=")
        value = self._expression()
        self._expect(")")
        if active:
            target: Any = self._variables
            for name in path[:-1]:
                target = target.setdefault(name, {})
            target[path[-1]] = value

    def _reference_text(self) -> str:
        start = self._at
        value = self._value_of(self._reference())
        if value is None:
            source = self._text[start : self._at]
            # API Gateway shows a variable of its own that has no value as nothing, any other as it is written.
            return "" if re.match(r"\$(!|\{?(context|stageVariables|input)\b)", source) else source
        return _text(value)

    def _reference(self) -> list[tuple[str, list[Any] | None]]:
        """A `$name.part.method(arguments)`: each part's name, with arguments where it is a call."""
        opening = self._next("word")
        steps: list[tuple[str, list[Any] | None]] = [(self._next("word"), None)]
        while re.match(r"\.[A-Za-z_]", self._text[self._at : self._at + 2]):
            self._at += 1
            steps.append(self._step())
        if opening.endswith("{"):
            self._expect("}")
        return steps

    def _step(self) -> tuple[str, list[Any] | None]:
        name = self._next("word")
        if self._text[self._at : self._at + 1] != "(":
            return name, None
        self._at += 1
        arguments: list[Any] = []
        while self._peek() != ")":
            arguments.append(self._expression())
            if self._peek() == ",":
                self._expect(",")
        self._expect(")")
        return name, arguments

    def _value_of(self, steps: list[tuple[str, list[Any] | None]]) -> Any:
        value: Any = self._variables
        for name, arguments in steps:
            value = _member(value, name) if arguments is None else _call(value, name, arguments)
        return value

    def _parenthesized(self) -> Any:
        self._expect("(")
        value = self._expression()
        self._expect(")")
        return value

    def _expression(self) -> Any:
        value = self._conjunction()
        while self._peek() == "||":
            self._expect("||")
            right = self._conjunction()
            value = _truth(value) or _truth(right)
        return value

    def _conjunction(self) -> Any:
        value = self._comparison()
        while self._peek() == "&&":
            self._expect("&&")
            right = self._comparison()
            value = _truth(value) and _truth(right)
        return value

    def _comparison(self) -> Any:
        left = self._operand()
        sign = self._peek()
        if sign not in {"==", "!=", "<", ">", "<=", ">="}:
            return left
        self._expect(sign)
        right = self._operand()
        match sign:
            case "==":
                return left == right
            case "!=":
                return left != right
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise TemplateError(f"{left!r} {sign} {right!r} compares what is not a number")
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[sign]

    def _operand(self) -> Any:
        sign = self._peek()
        if sign == "!":
            self._expect("!")
            return not _truth(self._operand())
        if sign == "(":
            return self._parenthesized()
        if sign.startswith("$"):
            return self._value_of(self._reference())
        found = _TOKEN.match(self._text, self._at)
        if found and found["string"] is not None:
            self._at = found.end()
            quoted = found["string"]
            return quoted[1:-1] if quoted[0] == "'" else Template(quoted[1:-1], self._variables).render()
        if found and found["number"] is not None:
            self._at = found.end()
            return float(found["number"]) if "." in found["number"] else int(found["number"])
        if found and found["word"] in {"true", "false"}:
            self._at = found.end()
            return found["word"] == "true"
        raise TemplateError(f"not emulated in a mapping template: {self._text[self._at : self._at + 40]!r}")

    def _peek(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        return (found["sign"] or found["word"] or "") if found else ""

    def _next(self, kind: str) -> str:
        found = _TOKEN.match(self._text, self._at)
        if not found or found[kind] is None:
            raise TemplateError(f"expected a {kind} at {self._text[self._at : self._at + 40]!r}")
        self._at = found.end()
        return found[kind]

    def _expect(self, sign: str) -> None:
        if self._next("sign") != sign:
            raise TemplateError(f"expected {sign!r} before {self._text[self._at : self._at + 40]!r}")


def render(text: str, variables: MutableMapping[str, Any]) -> str:
    """Render a template; raises TemplateError."""
    return Template(text, variables).render()


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if value is None:
        return None
    raise TemplateError(f"not emulated: .{name} of {value!r}")


def _call(value: Any, name: str, arguments: list[Any]) -> Any:
    if value is None:
        return None
    member = value.get(name) if isinstance(value, Mapping) else None
    if callable(member):
        return member(*arguments)
    methods = _TEXT_METHODS if isinstance(value, str) else _MAP_METHODS if isinstance(value, Mapping) else {}
    if name not in methods:
        raise TemplateError(f"not emulated: .{name}() of {type(value).__name__}")
    return methods[name](value, *arguments)


def _truth(value: Any) -> bool:
    return value is not None and value is not False


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
