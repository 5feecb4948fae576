"""Names of schools, institutions and authorities in running text, and which of them a matter is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ORDINAL = "[一二三四五六七八九十1-9１-９]"
_SCHOOL = (
    "幼儿园|幼稚园|托儿所|(?:小学|中学|大学)(?![生习])|完小|高中(?!生)|初中(?!生)|学校|中心校|联校|子校|职高|职中|职院|"
    f"中专(?!生)|技校|学院|附中|附小|第?{_ORDINAL}{{1,3}}[中小](?![心午餐型区]|学(?!生|习))|外国语(?!学)|校区|教育集团"
)
_TRAINER = (
    "培训机构|培训中心|培训学校|培训班|培优班|辅导班|辅导机构|托管班|托管中心|教育咨询有限公司|教育科技有限公司|"
    "有限公司|琴行|艺术中心"
)
_AUTHORITY = (
    "教育局|教体局|教育体育局|教育厅|教育考试院|教育主管部门|考试院|招生办|招办|人社局|人社厅|劳动局|规划局|城管局|"
    "住建局|街道办事处|居委会|村委会|体育馆|游泳馆|图书馆|少年宫|学区(?=[全教老校中])"
)
_BRANCH = "校区|分校|分院|学院|医务室|小学部|初中部|高中部|国际部|幼儿园|学生公寓|人事科|招生办|考试中心"
_KIND_OF_PARTY = re.compile(
    rf"(?:{_SCHOOL}|{_TRAINER}|{_AUTHORITY})"
    rf"(?:[^\W的在和与到为了被把将是让给对从请要说有生长]{{0,9}}?(?:学校|中学(?!生)|小学(?!生)|学院|{_BRANCH}))?"
)
_RUN = re.compile(r"[\u4e00-\u9fffA-Za-z0-9（）()·]{0,24}\Z")
# Published texts blank out place names as a letter and a number: A3区.
_BLANKED = re.compile(r"[A-Z]\d{0,2}[省市区县州]")
_PLACE = r"(?:[A-Z]\d{0,2}[省市区县州]|[\u4e00-\u9fff]{1,4}?[省市区县])"
_VERBS = (
    "举报|投诉|反映|反应|咨询|建议|希望|要求|请求|恳请|质疑|揭露|呼吁|敦促|强烈|严惩|严查|查处|整治|整顿|关注|支持|感谢|表扬|公布|取消|停止|暂停|"
    "拒绝|纠正|化解|解决|重视|加强|加快|降低|开放|保证|指示|负责|造成|代表|早日|拆除|保留|新建|建设|规划建?|扩建|开办|创办|举办|兴办|开通|了解|"
    "知道|得知|听说|通知|请问|想问|问一?下|管管|看看|一下|就读于|就读|毕业于|毕业|任职过?|任教|调出|调入|调到|转到|转入|转成|转学|转|报名|报考|"
    "分配|分到|录取|进入|担任|直达|地处|位于|属于|在于|至于|关于|对于|由于|因为|针对|通过|赶往|维系|虽然|作为|名为|感觉|逼迫"
)
_LITTLE = (
    "以及|还有|或者|或|目前|现在|今年|去年|明年|上午|下午|第二天|问题|有关|这个|那个|这所|那所|附近|周边|当地|所有|各个?|每个|其[他它]|别的|"
    "全部|部分|任何|如何|怎么|什么|哪[个些儿]|我们|你们|他们|孩子|小孩|儿子|女儿|学生|家长|局长|市长|书记|领导|老师|教师|你好|您好|"
    "是|在(?!职)|的|了|着|过|我|你|您|他|她|它|们|请|问|和(?!平|谐|睦)|与|及|跟|被|把|让|给|向(?!阳)|从|到|达|去|读|打|拿|找|由|于|如|"
    "上(?!海|冶|书|黄|兴)|进(?!修)|入|为(?!民)|有(?!色)|没|说|叫|某|此|该|贵|因|对|就|但|而|且|却|也|又|还|能|不|要|想|离|年级|期间|原|办(?!事)|"
    r"[一二三四五六七八九十几两多\d]+[家所个间名次]|等(?!专)"
)
# What may stand before a name but is no part of it; the name begins after the last of these.
_BEFORE = re.compile(f".*(?:{_VERBS}|{_LITTLE})")
_ANY = (
    "公[立办]|私[立办]|民[立办]|家?私|农村|乡村|乡镇|县城|城[市区]|重点|普通|普惠制?|一般|中小?|大中|高等|中职|职|示范性|小区|楼盘|"
    "配套|自建|生源|特色"
)
_ADJECTIVE = (
    f"{_ANY}|国家|全[省市县区国校]|新|老|旧|大|小|多|好|高|初|义务教育|教育|校外|课外|非法|无证|黑|优质|寄宿制?|学前|九年制|一贯制|"
    "各类|民族|下属|辖区|品牌|艺术|特殊|特长|武术|补习|本科|成人|体育|英语|舞蹈|美术|少儿|母校|学科|很多|这边|街道|小学升|另|以|当|何|所|种|家|借|使|"
    r"[省市县区乡镇村]里?|\d+年?代?初?|期"
)
_KIND = "幼儿园|小学|中学|大学|高中|初中|学校|学院|中专|联校|中心校|校区|职高|职中|技校|高中部|初中部|小学部|进修学校"
# Kinds of schools, which name none; 常州市实验小学 and 常州大学 do name one.
_GENERIC = re.compile(
    rf"{_PLACE}*(?:{_ADJECTIVE})*(?:{_KIND}|{_TRAINER})+(?:{_BRANCH})?|"
    rf"(?:{_ADJECTIVE}|职业|技术|专业?|师范|实验|附属|中心)*(?:{_KIND})+(?:{_BRANCH})?|[市县省区]?(?:{_AUTHORITY})|招生办"
)
_ENOUGH = 60
_OF_AUTHORITY = re.compile(f"(?:{_AUTHORITY})$")


@dataclass
class _Party:
    name: str
    score: float
    first: int


def most_likely_party(
    title: str, text: str, known: frozenset[str] = frozenset(), districts: frozenset[str] = frozenset()
) -> str | None:
    """The one of the named parties the matter is about.

    `known` names are believed wherever they stand; names of `districts` are not cut in two.
    """
    parties: dict[str, _Party] = {}
    for weight, words in ((3.0, title), (1.0, text)):
        for place, name in party_names(words, known, districts):
            if len(parties) >= _ENOUGH and name not in parties:
                continue
            party = parties.setdefault(name, _Party(name, 0, place if weight > 1 else place + 1000))
            party.score += weight * (0.6 if _OF_AUTHORITY.search(name) else 1.0)
    for party in parties.values():
        # a short name (松雅湖中学) counts for the long one (A县松雅湖中学) it is part of
        party.score += sum(
            other.score for other in parties.values() if other.name != party.name and other.name in party.name
        )
    return min(parties.values(), key=lambda party: (-party.score, party.first)).name if parties else None


def party_names(
    text: str, known: frozenset[str] = frozenset(), districts: frozenset[str] = frozenset()
) -> Iterator[tuple[int, str]]:
    """Where and which parties are named in a text."""
    end = 0
    for found in _KIND_OF_PARTY.finditer(text):
        run = _RUN.search(text, max(end, found.start() - 24), found.start())
        whole = (run[0] if run else "") + found[0]
        end = found.end()
        if name := max((each for each in known if each in whole), key=len, default=None):
            yield found.start(), name
            continue
        before = _BEFORE.match(whole, 0, len(whole) - 2)
        name = _from_place(whole[_uncut(whole, before.end(), districts) :] if before else whole)
        if len(name) >= 3 and not _GENERIC.fullmatch(name):
            yield found.start(), name


def _uncut(text: str, cut: int, districts: frozenset[str]) -> int:
    """The cut moved before the district's name it would go through (武进, where 进 is a word of its own)."""
    for district in districts:
        start = text.find(district)
        if 0 <= start < cut < start + len(district):
            return start
    return cut


def _from_place(name: str) -> str:
    name = name.lstrip("（）()·0123456789年月日")
    place = _BLANKED.search(name)
    return name[place.start() :] if place else name
