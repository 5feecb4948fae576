"""What operators write to speak with a receiver: JMESPath over its answers, templates over a case.

A template is a text with `{{ … }}` (Jinja, sandboxed). A text that is one single `{{ … }}` keeps the value's type, so
that a list stays a list; within a text none is empty, and what is no text is written as JSON. A block with `each` and
`row` becomes a list, one `row` an item.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote

import jmespath
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jinja2 import StrictUndefined, TemplateError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jmespath import functions
from jmespath.exceptions import JMESPathError

Values: TypeAlias = Mapping[str, Any]
At: TypeAlias = tuple[str | int, ...]
"""Where a template stands: keys and list places."""
_ALONE = re.compile(r"\s*\{\{(?![-+])((?:(?!\}\}|\{\{).)*)(?<![-+])\}\}\s*", re.DOTALL)
"""Not `{{- … -}}`: those strip what is around them, and a lone - would be taken for minus."""
_PLACE = re.compile(r"\{\{[-+]?((?:(?!\}\}|\{\{).)*?)[-+]?\}\}", re.DOTALL)
EACH = frozenset({"each", "row"})


class TemplateFailed(Exception):
    """A template cannot be filled from this case; the message says which and why, without the case's words."""

    def __init__(self, at: At, said: str) -> None:
        super().__init__(f"{'.'.join(map(str, at))}: {said}")
        self.at, self.said = at, said


class _Unfit(Exception):
    """A value is no good for what is made of it; the message is ours."""


class _Functions(functions.Functions):  # type: ignore[misc]  # jmespath has no types
    @functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_from_json(self, value: object) -> object:
        """JSON within a text: some receivers answer so. Anything else is itself."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def check_expression(text: str) -> str:
    """Raises ValueError: this is no JMESPath."""
    try:
        unknown = _functions_in(jmespath.compile(text).parsed) - _Functions.FUNCTION_TABLE.keys()
    except JMESPathError as error:
        raise ValueError(f'"{text}" is not JMESPath: {" ".join(str(error).split())}') from error
    if unknown:
        raise ValueError(f'"{text}" is not JMESPath: there is no function {min(unknown)}()')
    return text


def _functions_in(node: Mapping[str, Any]) -> set[str]:
    found = {str(node["value"])} if node["type"] == "function_expression" else set()
    return found.union(*(_functions_in(child) for child in node["children"] if isinstance(child, dict)))


def look_up(expression: str, document: object) -> Any:  # noqa: ANN401 - whatever stands there
    """What the expression finds; None where it finds nothing, or does not fit what is there."""
    try:
        return jmespath.compile(expression).search(document, _OPTIONS)
    except (JMESPathError, ArithmeticError, ValueError, TypeError, RecursionError):  # TypeError: "503" < 400
        return None


def holds(expression: str, document: object) -> bool:
    """Whether the expression is true of the document, in JMESPath's sense: false are null, false and what is empty."""
    found = look_up(expression, document)
    return not (found is None or found is False or found in ("", [], {}))


def check_template(text: str) -> str:
    """Raises ValueError: this template is no good."""
    try:
        _compiled(text)
    except TemplateError as error:
        raise ValueError(f"is not a usable template: {error}") from error
    return text


def reads(tree: Any, name: str, field: str) -> bool:  # noqa: ANN401 - JSON
    """Whether a template of the tree, usable as they all are, names this field of this value."""
    if isinstance(tree, dict):
        return any(reads(part, name, field) for item in tree.items() for part in item)
    if isinstance(tree, list):
        return any(reads(item, name, field) for item in tree)
    return isinstance(tree, str) and "{" in tree and (name, field) in _read_by(tree)


def _read_by(text: str) -> Iterator[tuple[str, object]]:
    """Values and their fields that a template names."""
    parsed = _ENVIRONMENT.parse(text)
    for dotted in parsed.find_all(nodes.Getattr):
        if isinstance(dotted.node, nodes.Name):
            yield dotted.node.name, dotted.attr
    for indexed in parsed.find_all(nodes.Getitem):
        if isinstance(indexed.node, nodes.Name) and isinstance(indexed.arg, nodes.Const):
            yield indexed.node.name, indexed.arg.value


def fill(tree: Any, values: Values, at: At) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """The tree with every template filled; `at` says where it stands. Raises TemplateFailed."""
    if isinstance(tree, str):
        return _filled(tree, values, at)
    if isinstance(tree, dict):
        if tree.keys() == EACH:
            return _rows(tree, values, at)
        return {str(_filled(key, values, at)): fill(item, values, (*at, key)) for key, item in tree.items()}
    if isinstance(tree, list):
        return [fill(item, values, (*at, number)) for number, item in enumerate(tree)]
    return tree


def failures(tree: Any, values: Values, at: At) -> Iterator[TemplateFailed]:  # noqa: ANN401 - JSON
    """Every text of the tree that cannot be filled, where `fill` stops at the first."""
    if isinstance(tree, dict):
        if tree.keys() == EACH:
            yield from _failing_rows(tree, values, at)
            return
        for key, item in tree.items():
            yield from failures(key, values, at)
            yield from failures(item, values, (*at, key))
    elif isinstance(tree, list):
        for number, item in enumerate(tree):
            yield from failures(item, values, (*at, number))
    else:
        try:
            fill(tree, values, at)
        except TemplateFailed as failed:
            yield failed


def _failing_rows(tree: Mapping[str, Any], values: Values, at: At) -> Iterator[TemplateFailed]:
    try:
        found = _list(tree, values, at)
    except TemplateFailed as failed:
        yield failed
        return
    for one in found[:1]:
        yield from failures(tree["row"], {**values, "row": one, "number": 1}, (*at, "row"))


def fill_text(text: str, values: Values, at: At) -> str:
    """A template filled, as text. Raises TemplateFailed."""
    return as_text(_filled(text, values, at))


def fill_path(text: str, values: Values, at: At) -> str:
    """A path filled; whatever a value holds stays one step of it. Raises TemplateFailed."""
    return fill_text(_PLACE.sub(r"{{ (\1) | step }}", text), values, at)


def as_text(value: object) -> str:
    """A value where only text can stand: none is empty, what is no text is written as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rows(tree: Mapping[str, Any], values: Values, at: At) -> list[Any]:
    found = _list(tree, values, at)
    return [
        fill(tree["row"], {**values, "row": one, "number": number}, (*at, "row")) for number, one in enumerate(found, 1)
    ]


def _list(tree: Mapping[str, Any], values: Values, at: At) -> list[Any]:
    found = fill(tree["each"], values, (*at, "each"))
    if not isinstance(found, list):
        raise TemplateFailed((*at, "each"), "is no list")
    return found


def _filled(text: str, values: Values, at: At) -> object:
    if "{" not in text:
        return text
    try:
        return _json(_compiled(text)(values))
    except (UndefinedError, _Unfit) as error:
        raise TemplateFailed(at, str(error)) from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise TemplateFailed(at, type(error).__name__) from error  # its words may be the case's


def _json(value: object) -> object:
    """What an expression gave, if JSON can say it: a lazy filter's items as a list. Raises UndefinedError, _Unfit."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Iterator)):
        return [_json(item) for item in value]
    if isinstance(value, _Missing):
        value._fail_with_undefined_error()
    raise _Unfit("is no value that JSON can say")


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Callable[[Values], object]:
    alone = _ALONE.fullmatch(text)
    if alone:
        expression = _ENVIRONMENT.compile_expression(alone[1], undefined_to_none=False)
        return lambda values: expression(**values)
    template = _ENVIRONMENT.from_string(text)
    return lambda values: template.render(**values)


class _Missing(StrictUndefined):
    """Says what is missing by its name, if that is a name: it may have been looked up by the case's words."""

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        named = isinstance(name, str) and name.isascii() and name.isidentifier()
        return f"there is no {name}" if named else "there is no such value"


def _encrypted(public_key: object, text: object) -> str:
    """RSA (PKCS #1 v1.5) under a public key as its base64 writes it, in base64: how 泛微 wants secrets shown."""
    try:
        key = load_der_public_key(base64.b64decode(str(public_key)))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unfit("rsa(): the first value is no public key in base64") from error
    if not isinstance(key, RSAPublicKey):
        raise _Unfit("rsa(): the first value is no RSA key")
    return base64.b64encode(key.encrypt(str(text).encode(), padding.PKCS1v15())).decode()


def _hmac(key: str, text: str) -> str:
    """HMAC-SHA256 in base64: how robots of 钉钉 want to be spoken to."""
    return base64.b64encode(hmac.digest(str(key).encode(), str(text).encode(), hashlib.sha256)).decode()


def _date(value: object, form: str = "%Y-%m-%d") -> str | None:
    """A time of the case, written as the receiver wants it."""
    return None if value is None else datetime.fromisoformat(str(value)).strftime(form)


def _step(value: object) -> str:
    """One step of a path. Raises _Unfit: it would be none, or lead up."""
    text = as_text(value)
    if text in ("", ".", ".."):
        raise _Unfit("is empty or dots, where a path goes on")
    return quote(text, safe="")


def _make_environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=_Missing, finalize=lambda value: as_text(_json(value)), keep_trailing_newline=True
    )
    environment.globals = {"rsa": _encrypted, "hmac": _hmac}
    environment.filters["date"] = _date
    environment.filters["json"] = as_text
    environment.filters["step"] = _step
    return environment


_ENVIRONMENT = _make_environment()
