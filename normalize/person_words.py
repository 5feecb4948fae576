"""Words for people: whom a writer calls himself, and who in his letter is somebody else."""

from __future__ import annotations

import re

HAN = "\u4e00-\u9fff"

KIN = (
    "爸爸|妈妈|父亲|母亲|爷爷|奶奶|外公|外婆|姥姥|姥爷|丈夫|妻子|老公|老婆|爱人|哥哥|姐姐|弟弟|妹妹|叔叔|舅舅|伯伯|姑姑|姑妈|阿姨|"
    "舅妈|婆婆|公公|岳父|岳母"
)
ROLE = (
    f"(?:家长|监护人|{KIN}|居民|市民|村民|公民|业主|住户|租户|户主|群众|网友|职工|员工|工人|教职工|(?<!班主任)教师|(?<!某)老师|"
    "班主任|毕业生|考生|学员|学生|代表|志愿者|教练员|负责人|经营者|个体户|读者)"
)
"""What people call themselves before their name: 学生家长 张三, 李小明的父亲 李国强."""

VERBS = (
    "实名|控告|检举|揭发|要求|反映|反应|举报|投诉|咨询|求助|建议|申请|请求|恳请|申诉|信访|写信|来信|致信|现就|现向|向贵|就读|毕业于|居住|家住|"
    "现住|系|住|身份证|联系|电话|手机|男|女"
)
"""What may follow the name of somebody who names himself without 叫."""

OTHER_KIN = (
    f"(?:{KIN}|(?<![父母])父母|爸(?!爸)|妈(?!妈)|前夫|前妻|继父|继母|养父|养母|亲戚|邻居|房东|老板|负责人|教练|会计|出纳|法人|法定代表人|"
    "当事人|证人|肇事者|对方|此人|该人|同事|朋友|包工头)"
)
"""Somebody else: what is said after him in the sentence is his."""

CHILD = "(?:孩子|小孩|儿子|女儿|学生|同学)"
TITLE = (
    "(?:校长|园长|书记|主任|班主任|老师|教师|局长|科长|处长|院长|站长|经理|教练|会计|老板|负责人|同学|孩子|小孩|儿子|女儿|学生|"
    f"医生|律师|保安|司机|厨师|生活委员|班长|组长|法人|{KIN}|被(?:举报|投诉|反映|控告|检举)人|对象|被告人?|被申请人|肇事者|证人)"
)
"""With a name before or after it: a named third person."""

ADJACENT = (
    "(?:老师|教师|校长|园长|班主任|主任|学校|幼儿园|机构|客服|公司|单位|店|招生办?|中介|孩子|小孩|学生|儿子|女儿|同学|食堂|保安|门卫|门口|"
    "教务处|办公室|教育局|部门|中心|热线|商家|平台|协会|小区|物业|校方|园方|厂|医院|银行|[科处股局所站室](?=电话|热线)|他|她|它|其)"
)
"""Theirs only with a number's own label close behind: 学校电话, 老师的手机."""

TITLE_END = re.compile(r"(?:先生|女士|同志|家长|小姐)$")


def closed_up(text: str) -> str:
    """Single blanks between two Chinese characters taken out: 刘 洋 is 刘洋."""
    return re.sub(rf"(?<=[{HAN}])[ \u3000]{{1,4}}(?=[{HAN}])", "", text)
