"""What people ask for themselves: no name, no listeners, no publication; and the ways to find their numbers."""

from __future__ import annotations

import re

from normalize.identity import IdentityNumber, identity_number, identity_numbers
from normalize.joint import joint_count
from normalize.phones import phones

__all__ = [
    "IdentityNumber",
    "asks_anonymity",
    "asks_confidentiality",
    "identity_number",
    "identity_numbers",
    "joint_count",
    "phones",
    "refuses_publication",
]
_ANONYMOUS = re.compile(
    r"(?<!不)(?<!非)匿名(?:举报|反映|投诉|来信|信访|写信|留言|信)|(?:请|只能|选择|恕)(?:允许)?(?:我们?)?匿名|恕(?:我)?不(?:能|便)?(?:署名|具名|留名|实名)|不(?:愿|想|敢|便|方便)(?:透露|留下?|公开|署)(?:真实)?(?:姓名|名字|名)|^匿名$",
    re.MULTILINE,
)
_CONFIDENTIAL = re.compile(
    r"(?:请|望|希望|恳请|要求|务必|一定要?|能否|麻烦)[^。！？\n]{0,16}(?<!不)保密|(?:请|希望|恳请|千万|务必)?(?:不要|勿|别|不得)(?:对外)?(?:公开|泄露|透露|泄漏)(?:我|本人|举报人|投诉人|家长|学生|孩子|个人)|为[我本][^。\n]{0,6}保密"
)
_NOT_PUBLIC = re.compile(r"(?:不同意|不愿意?|请不要|请勿|不要|不希望)(?:对外|网上|在网上)?公开")


def asks_anonymity(text: str) -> bool:
    """Whether the writer says that he writes without his name."""
    return _ANONYMOUS.search(text) is not None


def asks_confidentiality(text: str) -> bool:
    """Whether the writer asks that who he is be kept secret."""
    return _CONFIDENTIAL.search(text) is not None


def refuses_publication(text: str) -> bool:
    """Whether the writer does not want the matter or its answer published."""
    return _NOT_PUBLIC.search(text) is not None
