"""Where people say they live."""

from __future__ import annotations

import re
from collections.abc import Iterator

from normalize.divisions import CHANGZHOU
from normalize.hinted import Hinted
from normalize.person_words import HAN

_LABEL = Hinted(
    "我家现常暂本居户通联详住地",
    r"(?:我家住|家住|现居住?|现住(?:址|地址)?|常住(?:地址|址)|暂住(?:地址|址|地)?|(?:我|本人)(?:是|目前|现在?|一家|家|们家)?居?住(?!址)|"
    r"(?:我|本人)[^，,。；;！？\n]{0,8}居住(?=[在于])|"
    r"(?:家庭|通[讯信]|联系|现|居住|户籍|详细)?(?:住址|地址)(?=[ \t　]*[:：是为在])|居住地(?=[ \t　]*[:：]))"
    r"(?:就?[是为在于]|就在)?[ \t　]*[:：]?[ \t　]*(?P<value>[^，。,;；！!？?\n]{2,60})",
)
_NOT_HOME = re.compile(
    r"(?:学校|校区|公司|机构|对方|单位|幼儿园|培训班?|中心|企业|工厂|商家|店|医院|局|老师|校长|园长|教练|老板|负责人|网站?|邮箱|链接|活动|比赛|报名|"
    r"考试|上课|办公|注册|经营|事发|事故|案发|项目|工地|楼盘|邮件|[他她它])[^，。,;；\n]{0,6}$"
)
_STATES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|"
    "广西|西藏|宁夏|新疆|香港|澳门"
)
_KNOWN = re.compile(
    "|".join(
        [
            rf"(?:{_STATES})[{HAN}A-Za-z0-9]",
            *sorted((name for each in CHANGZHOU for name in (each.name, *each.aliases)), key=len, reverse=True),
        ]
    )
)
_DIVISION = re.compile(rf"(?<=[的在于是])[{HAN}A-Z\d]{{1,4}}(?:省|市|自治区|区|县)(?![里内])")
# A word that begins another clause, where no comma was written.
_CLAUSE = re.compile(
    r"[ \t　]*(?:[(（]?(?:联系|手机|固定)?(?:电话|手机|方式)|[(（]?(?:邮编|邮箱|身份证|姓名|查询码)|"
    r"孩子|小孩|儿子|女儿|"
    r"(?:本|该|此|我)(?:人|们|家|是|的|市|区|县|村|小区|想|要)|我$|现(?![代世])(?:在|有|向|就|因|反映)?|因(?:为|此)?|由于|反映|投诉|举报|咨询|请问|请(?!安)|希望|"
    r"在.{0,12}(?:学|班|工作)|离|距|靠近|附近|旁边|对面|隔壁|周[围边]|(?:村民|居民|业主|住户)(?!委|区|楼|点|小)|领导|局长|你们|您好|、(?![A-Za-z\d])|[的是有到被把让说不没]|里面|上下班|属于|毕业|就读|读[小初高]|上[小初高幼]|"
    r"[ \t　]{2,}|[ \t　]*(?:https?:|www\.|感谢|谢谢))"
)
_NOWHERE = re.compile(
    r"^(?:[被写附对].*|[的这那此该本某一几同其离不很还也就才没有了着过里外面边上下小区学校附近旁边隔壁对面楼上楼下农村城里市区县城乡下家里宿舍]+|(?:这|那|该|此|本|同一?|一)个?[小社]?区.*)$"
)
_PLACE = re.compile(
    r"[省市区县镇乡村路街巷弄苑园庭里湾府城寨组队栋幢楼室号]|街道|小区|家园|公寓|社区|大道|广场|宿舍|\d-\d"
)
_TRAILING = re.compile(r"(?:(?:的|居住)?(?:居民|业主|村民|住户|租户|市民|人)|[里内上]|一带|居住|[(（][^)）]{0,4})$")
_FREE = re.compile(
    rf"[{HAN}]{{2,8}}?(?:省|市|区|县)[{HAN}A-Za-z0-9]{{2,30}}?(?:路|街|巷|大道|小区|花园|新村|村|苑|庭|公寓|家园|镇|街道)"
    rf"[{HAN}A-Za-z0-9 -]{{0,24}}?\d{{1,5}}(?:-\d{{1,4}}){{0,3}}[ ]?(?:号|栋|幢|单元|室|弄|组)?"
    r"(?:[ ]?[\dA-Za-z甲乙丙丁-]{1,6}(?:号楼|号|栋|幢|单元|室|楼|户)?)*"
)


def said_addresses(text: str) -> Iterator[tuple[int, str]]:
    """The addresses said after 家住, 住址 and the like, with the place of those words; not a school's or company's."""
    for found in _LABEL.finditer(text):
        if _NOT_HOME.search(text, max(0, found.start() - 16), found.start()):
            continue
        written = re.match(r"[在于]?[ 　]*(?:是|为)?", found["value"])
        value = found["value"][written.end() if written else 0 :]
        if address := home(value):
            yield found.start(), address


def free_address(closing: str) -> str | None:
    """An address without a word before it, as it stands in a signature block: district, street and number."""
    for line in closing.split("\n"):
        if (
            len(line) <= 80
            and not _NOT_HOME.search(line[: line.find("：")] if "：" in line else "")
            and (found := _FREE.search(line))
        ):
            return found[0].strip()
    return None


def home(value: str) -> str | None:
    """The address a value begins with: to the word that begins another clause; None: it names no place.

    It begins at the province, city or district where one is named.
    """
    known = _KNOWN.search(value) or _DIVISION.search(value)
    if known and known.start() and not _PLACE.search(value[: known.start()]):
        value = value[known.start() :]
    clause = _CLAUSE.search(value, 1)
    address = value[: clause.start()] if clause else value
    while (shorter := _TRAILING.sub("", address.strip(" 　、:：-"))) != address:
        address = shorter
    if len(address) < 3 or address.startswith("的") or _NOWHERE.match(address) or not _PLACE.search(address):
        return None
    return _balanced(address)


def _balanced(address: str) -> str:
    """Without a bracket that is not closed, or not opened."""
    opened = max(address.rfind("("), address.rfind("（"))
    closed = max(address.rfind(")"), address.rfind("）"))
    if opened > closed:
        return address[:opened].strip()
    return address.rstrip(")）").strip() if opened < 0 else address
