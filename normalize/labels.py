"""Labelled text (姓名：… 电话：… 内容：…), as web forms mail it and letters close with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, field_validator

_SHIPPED = """
name: 姓名 您的姓名 真实姓名 信访人 信访人姓名 写信人 来信人 投诉人 举报人 反映人 联系人 联系人姓名 留言人 咨询人
      求助人 申请人 提交人 昵称 用户姓名 称呼
phone: 电话 联系电话 手机 手机号 手机号码 联系方式 电话号码 联系手机 固定电话 移动电话 来电号码
email: 邮箱 电子邮箱 邮件 电子邮件 邮箱地址 e-mail email 电子信箱 联系邮箱
id_no: 身份证 身份证号 身份证号码 证件号 证件号码 公民身份号码
address: 地址 住址 联系地址 通讯地址 家庭住址 家庭地址 详细地址 现住址 居住地址
workplace: 工作单位 单位 单位名称
gender: 性别
postcode: 邮编 邮政编码
title: 标题 主题 信件标题 信件主题 来信标题 来信主题 留言标题 留言主题 投诉标题 诉求标题 事项标题 问题标题
content: 内容 正文 信件内容 来信内容 留言内容 投诉内容 反映内容 诉求内容 咨询内容 问题内容 举报内容 建议内容
         详细内容 问题描述 诉求描述 具体内容 主要内容
request_type: 类别 类型 信件类型 信件类别 来信类型 来信类别 留言类型 留言类别 诉求类型 信访类别 信访类型 问题类型
              事项类型
query_code: 查询码 查询编号 查询号 信件查询码
source_no: 编号 信件编号 来信编号 受理编号 工单号 工单编号 信访编号 流水号
petition_date: 时间 日期 提交时间 来信时间 写信时间 留言时间 来信日期 写信日期 提交日期 发布时间 信访日期
subject_party: 被反映人 被反映单位 被投诉单位 被投诉人 被举报单位 被举报人 投诉对象 反映对象 涉及学校 涉及单位
               所在学校 反映单位 投诉学校 学校 学校名称
region: 区域 所属区域 所在区域 问题属地 所在地区 地区 所属地区 辖区
addressee: 收件人 收信人 受信人 写给 来信对象 收信单位 收信部门 接收部门
allow_public: 是否公开 公开 同意公开 是否同意公开 公开意愿 信件公开
confidential: 是否保密 保密 要求保密 是否要求保密 身份保密
anonymous: 是否匿名 匿名
ip: ip ip地址 来源ip
attachment: 附件 附件名称 相关附件 附件材料
"""

DEFAULT_LABELS: Mapping[str, tuple[str, ...]] = {
    field: tuple(words.split()) for field, words in re.findall(r"^(\w+): ((?:.+)(?:\n .+)*)", _SHIPPED, re.MULTILINE)
}


class LabelRules(BaseModel):
    """Which words in front of a colon name which field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: dict[str, tuple[str, ...]] = Field(
        default_factory=lambda: dict(DEFAULT_LABELS),
        description="field -> label words; a field given here replaces that field's shipped words",
    )

    @field_validator("words")
    @classmethod
    def _on_top_of_the_shipped(cls, words: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if unknown := sorted(set(words) - set(DEFAULT_LABELS)):
            raise ValueError(f"unknown label field {unknown[0]!r}, expected one of {', '.join(DEFAULT_LABELS)}")
        return {**DEFAULT_LABELS, **words}


def read(text: str, rules: LabelRules) -> dict[str, str]:
    """The labelled values of a text by field, in the order they stand; empty values are left out.

    A label stands at a line's start or after a gap within a line; the colon is ASCII or full-width. A value reaches to
    the next label; `content` reaches over everything up to the block of labels that closes the text, so that a line
    such as `学校：…` within a citizen's own words stays there. Of a label given twice the first counts.
    """
    marks = _marks(text, rules)
    opening = next((n for n, mark in enumerate(marks, 1) if mark.field == "content"), len(marks))
    marks = marks[:opening] + _closing_block(text, marks[opening:], {mark.field for mark in marks[:opening]})
    values: dict[str, str] = {}
    for mark, end in zip(marks, [*(mark.start for mark in marks[1:]), len(text)], strict=False):
        value = text[mark.end : end].strip(" \t\r\n　;；|" if mark.field == "content" else " \t\r\n　;；|,，")
        if value:
            values.setdefault(mark.field, value)
    return values


def is_form(values: Mapping[str, str]) -> bool:
    """Whether these labelled values are a form a website filled in, not a remark under a letter."""
    return "content" in values and bool(values.keys() & {"name", "phone", "title", "email", "query_code", "anonymous"})


@dataclass(frozen=True)
class _Mark:
    """A label in the text: which field it names, where it starts and where its value does."""

    field: str
    start: int
    end: int


def _marks(text: str, rules: LabelRules) -> list[_Mark]:
    pattern, fields = _compiled(tuple(rules.words.items()))
    return [_Mark(fields[_key(found[1])], found.start(), found.end()) for found in pattern.finditer(text)]


@lru_cache(maxsize=16)
def _compiled(words: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[re.Pattern[str], Mapping[str, str]]:
    fields = {_key(word): field for field, labels in words for word in labels}
    longest_first = sorted(fields, key=len, reverse=True)
    # 姓 名 is set with a gap on many forms
    spaced = "|".join(r"[ \u3000]*".join(map(re.escape, word)) for word in longest_first)
    opening = r"(?:^[ \t\u3000]*|(?<=[ \t\u3000,，;；|。]))(?:\d{1,2}[.、]\s*)?[【\[（(*■●◆·]{0,3}"
    closing = r"[】\])）*]{0,3}[ \t\u3000]*[:：][ \t\u3000]*"
    return re.compile(rf"{opening}({spaced}){closing}", re.MULTILINE | re.IGNORECASE), fields


def _key(label: str) -> str:
    return re.sub(r"[ \u3000]", "", label).lower()


def _closing_block(text: str, marks: list[_Mark], taken: set[str]) -> list[_Mark]:
    """The labels, none of them `taken`, that close a text line by line with a short value each."""
    kept: list[_Mark] = []
    end = len(text)
    for mark in reversed(marks):
        value = text[mark.end : end].strip()
        if mark.field in taken or "\n" in value or len(value) > 60:
            break
        kept.insert(0, mark)
        end = mark.start
    while kept and text[: kept[0].start].rstrip(" \t\u3000")[-1:] != "\n":
        kept.pop(0)
    return kept
