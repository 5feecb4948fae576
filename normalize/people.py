"""What people ask for themselves: no name, no listeners, no publication; and the ways to find their numbers."""

from __future__ import annotations

import re

from normalize.identity import IdentityNumber, identity_number, identity_numbers
from normalize.joint import joint_count
from normalize.phones import phones

__all__ = [
    "IdentityNumber",
    "asks_anonymity",
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
_NOT_PUBLIC = re.compile(r"(?:不同意|不愿意?|请不要|请勿|不要|不希望)(?:对外|网上|在网上)?公开")


def asks_anonymity(text: str) -> bool:
    """Whether the writer says that he writes without his name."""
    return _ANONYMOUS.search(text) is not None


def refuses_publication(text: str) -> bool:
    """Whether the writer does not want the matter or its answer published."""
    return _NOT_PUBLIC.search(text) is not None
