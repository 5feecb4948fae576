"""Walks data along the types that will receive it, so that text can be turned into what its field expects."""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ingest.config_yaml import At

Turn: TypeAlias = Callable[[object, object, At], object]
"""Given a leaf's type, its value and the way to it: the value to use instead."""
_UNIONS = (Union, types.UnionType)
_NOT_TEXT = (type(None), bool, int, float)
_BLOCKS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def rewrite(annotation: object, value: object, turn: Turn, at: At = ()) -> object:
    """Copy `value` with every scalar passed through `turn`, each with the type its field declares (object if none)."""
    arm = _arm(annotation, value)
    if isinstance(value, dict):
        kinds = _kinds(arm)
        return {key: rewrite(kinds(str(key)), item, turn, (*at, key)) for key, item in value.items()}
    if isinstance(value, list):
        kind = _item_kind(arm)
        return [rewrite(kind, item, turn, (*at, number)) for number, item in enumerate(value)]
    item = _item_kind(arm)  # one thing where a list may stand
    return turn(arm if item is object else _arm(item, value), value, at)


def known_keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys a block of this model may have, as written in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def keys_at(annotation: object, value: object, at: At) -> list[str]:
    """The keys that may stand in the block at `at`; empty where any may."""
    arm = _arm(annotation, value)
    if not at:
        return list(known_keys(arm)) if _is_model(arm) else []
    step, rest = at[0], at[1:]
    if isinstance(value, dict) and step in value:
        return keys_at(_kinds(arm)(str(step)), value[step], rest)
    if isinstance(value, list) and isinstance(step, int):
        return keys_at(_item_kind(arm), value[step], rest)
    return []


def _kinds(arm: object) -> Callable[[str], object]:
    if _is_model(arm):
        fields = known_keys(arm)
        return lambda key: fields[key].annotation if key in fields else object
    if get_origin(arm) in _BLOCKS:
        return lambda _: get_args(arm)[1]
    return lambda _: object


def _item_kind(arm: object) -> object:
    origin = get_origin(arm)
    if isinstance(origin, type) and issubclass(origin, collections.abc.Collection) and origin not in _BLOCKS:
        return get_args(arm)[0]
    return object


def _arm(annotation: object, value: object) -> object:
    """Of a union, the arm this value is meant for; of anything else, itself without its annotations."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in _UNIONS:
        return annotation
    arms = [_arm(arm, value) for arm in get_args(annotation)]
    fitting = [arm for arm in arms if _fits(arm, value)]
    if not fitting and isinstance(value, (int, float)):  # a password of digits is text
        fitting = [arm for arm in arms if _fits(arm, str(value))]
    return fitting[0] if fitting else object


def _fits(arm: object, value: object) -> bool:
    if isinstance(value, dict):
        return get_origin(arm) in _BLOCKS or (_is_model(arm) and _says(arm, value))
    if isinstance(value, list):
        return _item_kind(arm) is not object or arm in (list, tuple)
    if get_origin(arm) is Literal:
        return value in get_args(arm)
    if isinstance(value, str):
        return isinstance(arm, type) and not _is_model(arm) and arm not in _NOT_TEXT
    return isinstance(arm, type) and type(value) is arm


def _says(model: type[BaseModel], value: Mapping[str, object]) -> bool:
    """Whether the block's fixed words (a `kind`, say) are this model's."""
    said = [(value[key], field.annotation) for key, field in known_keys(model).items() if key in value]
    return all(word in get_args(kind) for word, kind in said if get_origin(kind) is Literal)


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
