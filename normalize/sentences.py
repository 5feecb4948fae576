"""What a text states as done, told from what it asks, suggests, forbids or supposes."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE = re.compile(r"[^。！？!?；;\n]+[？?]?")
_CLAUSE = re.compile(r"[，,、]")
_ASKS_OR_SUGGESTS = re.compile(
    r"[^\w]*(?:[一二三四五六七八九\d]{1,2}[、.．])?(?:\S{0,10}[你您]们?好[，,])?(?:关于|我们?|本人|个人|特此|在此|强烈|想|就|再|也|还)*+"
    r"(?:请问|咨询|问一下|问下|了解一下|请教|建议|提议|倡议|呼吁|希望加强|加强)"
)
_PURSUES = re.compile(r"查处|严查|彻查|严惩|严肃处理|追究|管不管|不管|没人管|管一管|管管")
_UNREAL = re.compile(
    r"严禁|禁止|不得|不准|不许|杜绝|防止|预防|避免|反腐|如果|若是|倘若|假如|万一|一经|违者|凡是|等行为|等现象|等问题|"
    r"举报电话|监督电话|举报邮箱|举报箱|怎么(?!能|可以|敢|还|就|会)|如何|怎样|是否(?!觉得|认为)|吗[？?]?$|"
    r"[吗么呢][？?]?$"
)


def statements(text: str) -> Iterator[str]:
    """The text's sentences without clauses of mere possibility; questions for a way and suggestions left out whole.

    Who asks whether nobody does anything about it, or suggests that it be punished, states it.
    """
    for sentence in _SENTENCE.findall(text):
        if _ASKS_OR_SUGGESTS.match(sentence) and not _PURSUES.search(sentence):
            continue
        if stated := [clause for clause in _CLAUSE.split(sentence) if not _UNREAL.search(clause)]:
            yield "，".join(stated)
