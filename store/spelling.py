"""What the two engines spell differently in a statement."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, ColumnElement, Select, TableValuedAlias, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def items(parameter: str) -> TableValuedAlias:
    """A list that is one parameter, as rows of one column, `value`: one statement for lists of any length.

    On PostgreSQL the values are texts.
    """
    return _Items(bindparam(parameter, type_=JSON)).table_valued("value")


def among(column: ColumnElement[int], query: Select[int]) -> ColumnElement[bool]:
    """`column IN (query)`, looked up in the column's index.

    Said as `IN`, PostgreSQL may join the two by reading the whole table while it is small, and go on so as it grows.
    """
    return _Among(column, query.scalar_subquery())


def hold_key(lane: ColumnElement[str], key: ColumnElement[Any]) -> ColumnElement[None]:
    """Until the transaction ends, nobody else holds this key of the lane; SQLite has one writer anyway."""
    return _HoldKey(lane, key)


class _Spelled(FunctionElement[Any]):
    postgresql: ClassVar[str]
    sqlite: ClassVar[str]


class _Items(_Spelled):
    inherit_cache = True
    postgresql, sqlite = "json_array_elements_text({0})", "json_each({0})"


class _Among(_Spelled):
    inherit_cache = True
    postgresql, sqlite = "{0} = ANY (ARRAY{1})", "{0} IN {1}"


class _HoldKey(_Spelled):
    inherit_cache = True
    postgresql, sqlite = "pg_advisory_xact_lock(hashtextextended({0} || ':' || {1}, 0))", "NULL"


@compiles(_Spelled)
def _spell(function: _Spelled, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - the compiler's, passed on
    spelling: str = getattr(function, compiler.dialect.name)
    return spelling.format(*(compiler.process(argument, **options) for argument in function.clauses))
