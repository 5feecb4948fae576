"""The words in front of a colon that name a field, on forms and under letters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product

_SHIPPED = """
name: 姓名 您的姓名 真实姓名 联系人姓名 昵称 用户姓名 称呼 家长姓名 具名 署名
phone: 电话 联系电话 手机 手机号 手机号码 联系方式 电话号码 联系手机 固定电话 移动电话 联系号码 联系电话/手机
email: 邮箱 电子邮箱 邮件 电子邮件 邮箱地址 e-mail email 电子信箱 联系邮箱
id_no: 身份证 身份证号 身份证号码 证件号 证件号码 公民身份号码
address: 地址 住址 联系地址 通讯地址 通信地址 家庭住址 家庭地址 详细地址 现住址 居住地址 居住地 暂住地址 暂住地 常住地址
         现居住地
workplace: 工作单位 单位 单位名称
gender: 性别
postcode: 邮编 邮政编码
title: 标题 主题 信件标题 信件主题 诉求标题 事项标题 问题标题 邮件标题 邮件主题
content: 内容 正文 信件内容 信件正文 问题内容 建议内容 详细内容 问题描述 诉求描述 具体内容 主要内容 事项内容
         邮件内容 邮件正文
request_type: 类别 类型 信件类型 信件类别 信访类别 信访类型 问题类型 事项类型 问题类别 事项类别 业务类型
purpose: 信访目的 来信目的 写信目的 诉求目的
query_code: 查询码 查询编号 查询号 信件查询码
source_no: 编号 信件编号 受理编号 工单号 工单编号 流水号 登记号 事项编号
petition_date: 时间 日期 发布时间
subject_party: 被反映人 被反映单位 被投诉单位 被投诉人 被举报单位 被举报人 被检举人 被控告人 被反映对象 被投诉对象
               被举报对象
               投诉对象 反映对象 举报对象 涉及学校 涉及单位 所在学校 反映单位 投诉学校 学校 学校名称
region: 区域 所属区域 所在区域 问题属地 所在地区 地区 所属地区 辖区
addressee: 收件人 收信人 受信人 写给 来信对象 收信单位 收信部门 接收部门
allow_public: 是否公开 公开 同意公开 是否同意公开 公开意愿 信件公开 是否愿意公开
confidential: 是否保密 保密 要求保密 是否要求保密 身份保密 是否需要保密 个人信息保密 个人信息是否保密 信息是否保密
              身份是否保密 是否身份保密 是否信息保密 是否个人信息保密 是否申请保密 是否希望保密 是否为您保密
anonymous: 是否匿名 匿名
deadline: 处理时限 办理时限 办结时限 要求办结时间 要求办结时限 截止时间 截止日期 办理期限 办结期限 办理截止时间
          反馈时限 回复时限 答复时限 限办时间 限办截止时间
dispatched: 派单时间 转办时间 交办时间 派发时间 转派时间 派件时间
reply_mode: 回复方式 答复方式 反馈方式 希望回复方式
ip: ip ip地址 来源ip
attachment: 附件 附件名称 相关附件 附件材料 附件列表
"""

_ACTORS = "来信 写信 发信 来电 诉求 反映 投诉 举报 留言 咨询 求助 申请 信访 提交 联系 登记 检举 控告".split()  # noqa: SIM905
_CORES = (
    ("title", "标题 主题"),
    ("content", "内容 正文"),
    ("request_type", "类型 类别"),
    ("petition_date", "时间 日期"),
    ("source_no", "编号"),
    ("phone", "电话 号码"),
)
_OF_PERSON = (
    ("name", " 姓名 名称"),
    ("phone", "电话 手机 手机号 联系电话 联系方式 电话号码 手机号码"),
    ("email", "邮箱"),
    ("id_no", "身份证号 身份证号码 证件号码"),
    ("address", "地址 住址 联系地址"),
    ("workplace", "单位 工作单位"),
    ("gender", "性别"),
)
# 联系时间 says when to call, not when it was written; 举报地址 may be where it happened.
_OTHERWISE = frozenset({"联系时间", "联系日期", "联系编号", "联系标题", "联系主题", "联系内容"})


def _listed(text: str) -> dict[str, list[str]]:
    return {field: words.split() for field, words in re.findall(r"^(\w+): ((?:.+)(?:\n .+)*)", text, re.MULTILINE)}


def _composed() -> Mapping[str, tuple[str, ...]]:
    """The listed words with what is put together: 来信标题, 诉求人, 写信人电话, 来信地址."""
    words = _listed(_SHIPPED)
    for (field, cores), actor in product(_CORES, _ACTORS):
        words[field] += [actor + core for core in cores.split() if actor + core not in _OTHERWISE]
    for (field, cores), actor in product(_OF_PERSON, _ACTORS):
        words[field] += [f"{actor}人{core}" for core in cores.split(" ")]
    words["address"] += [f"{actor}地址" for actor in ("来信", "写信", "发信", "申请", "登记", "信访")]
    return {field: tuple(dict.fromkeys(each)) for field, each in words.items()}


DEFAULT_LABELS: Mapping[str, tuple[str, ...]] = _composed()
"""field -> label words. Fields that no case has are kept in `source_fields`."""
