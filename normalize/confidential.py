"""How a citizen asks that nobody learns who he is."""

from __future__ import annotations

import re

_WRITER = r"(?:我们?|本人|举报人|投诉人|反映人|来信人|写信人|来电人|诉求人|市民|其)"
_OWNER = rf"(?:{_WRITER}|身份|真实姓名|姓名|名字)"
_WITH = (
    r"(?:你们|您|贵局|贵单位|领导|局里|有关部门|相关部门|工作人员|匿名|予以|给予|一定|务必|能够?|要|对|将|把|替|为|帮|给|的|个人|"
    r"信息|电话|号码|住址|隐私|资料|情况|来信|此信|以及|及|和|与|、|严格|注意|做好|进行|绝对|并|也)"
)
_SECRECY = r"保密(?!工作|制度|教育|协议|室|柜|级|局|法|费|观念|意识|规定|纪律)"
_ASKING = r"(?:请求?|望|务必|要求|恳请|恳求|麻烦|拜托|注意|予以|严格)"
_NOT = r"(?:不要|请勿|切勿|勿|别|不得|不想|不愿意?|不希望|不同意)"
_TELL = r"(?:泄露|泄漏|透露|暴露|公开|公布|说出)"
_SCHOOL = r"(?:学校|校方|园方|幼儿园|老师|班主任|园长|校长|对方|他们)"
_REST = r"[^。！？\n，,]"
_KEEP_SECRET = re.compile(
    "|".join(
        (
            rf"{_ASKING}(?:{_OWNER}|{_WITH}){{0,10}}{_SECRECY}",
            rf"{_OWNER}(?:{_OWNER}|{_WITH}){{0,8}}{_SECRECY}",
            rf"(?:{_NOT}|不能|不便|不方便)(?:对外|向外|随意)?{_TELL}(?:出|给|任何|有关|关于|此信)*(?:{_OWNER}|个人信息|个人隐私)",
            # 不要把我的信息给学校
            rf"{_NOT}[把将]{_WRITER}?的?(?:个人)?(?:信息|身份|姓名|名字|电话|号码){_REST}{{0,4}}(?:{_TELL}|告诉|告知|转告|给)",
            # 不要让学校知道是我反映的
            rf"{_NOT}(?:告诉|告知|让){_SCHOOL}{_REST}{{0,4}}(?:是我|我的|我反映|来电人|市民)",
            # how a hotline notes it
            rf"(?:{_WRITER}|个人)的?(?:个人)?信息(?:不(?:予|同意|愿意?)?公开|(?:需要?|须|要)?保密)",
            r"【(?:个人)?信息保密】|保密工单|工单保密",
            r"保护(?:好)?(?:(?:我们?|本人)(?:的|们)*(?:个人)?(?:隐私|信息|身份)|举报人|投诉人|反映人)",
            rf"(?:怕|担心|以免|免得|恐){_REST}{{0,10}}(?:报复|穿小鞋)",
            r"不敢(?:署名|留名|实名|透露姓名|留下姓名|公开身份)",
        )
    )
)
_SIGN = re.compile(
    "保密|泄露|泄漏|透露|暴露|公开|公布|说出|保护|报复|穿小鞋|不敢|(?:勿|别|不(?:要|想|得|愿意?|希望|同意))[把将让告]"
)
"""Whoever asks for it writes one of these."""
_ASKS = re.compile(r"(?:吗|么|呢)\s*[？?。]?\s*$|[？?]\s*$|^\W*(?:请问|咨询|建议|提议|倡议|希望建立|完善)")
_TO_ME = re.compile(r"[替为帮给](?:我|本人)|好吗|可以吗|行吗")
_SENTENCE = re.compile(r"[^。！？!?；;\n]+[？?]?")


_DENIED = re.compile(
    r"(?:不|无|没有?|未|非|否|免|毋)(?:需|须|要求?|请求|申请|必|用|涉|予|做|作|对|我的|个人|信息|身份|姓名|进行){0,6}(?:保密|秘密|密)?|"
    r"(?:可以?|同意|愿意?|能够?|允许|对外|完全|全部|向社会){0,3}公开|普通|一般"
)
_WANTED = re.compile(
    r"[不勿别未非](?:[^\W密]){0,4}公开|保密|秘密|机密|涉密|匿名|隐名|隐去|隐藏|内部|^(?:需要?|须要?|必须|要求?|请求|密)$"
)


def is_wanted(answer: str) -> bool | None:
    """Whether who answers so, asked about confidentiality, wants it; None: neither.

    Only what denies it and says nothing else denies it.
    """
    said = re.findall(r"[^\W_]+", answer)
    if said and all(_DENIED.fullmatch(piece) for piece in said):
        return False
    return True if any(_WANTED.search(piece) for piece in said) else None


def asks_confidentiality(text: str, taken_out: tuple[str, ...] = ()) -> bool:
    """Whether the writer asks to be kept secret; a question whether one is, or a suggestion, asks nothing.

    An expression that holds one of `taken_out` does not count.
    """
    if not _SIGN.search(text):
        return False
    return any(
        _SIGN.search(sentence) is not None
        and (not _ASKS.search(sentence) or _TO_ME.search(sentence))
        and any(not any(word in asked for word in taken_out) for asked in _KEEP_SECRET.findall(sentence))
        for sentence in _SENTENCE.findall(text)
    )
