"""Which characters can be a person's name."""

from __future__ import annotations

import pytest

from normalize.surnames import is_person_name


@pytest.mark.parametrize("name", ["张三", "李建国", "欧阳小明", "阿不都·买买提", "安心怡", "王伊人", "李建生", "于洋"])
def test_names_are_believed(name: str) -> None:
    assert is_person_name(name)


@pytest.mark.parametrize(
    "word",
    """张小姐 林生 任经理 东方版主 代开 哈哈 籍贯 户籍 工作 毕业 教龄 现年
    查询码 权限码 区域 单位 车主 江苏人 和小孩 都知道 家长 王女士 张某""".split(),  # noqa: SIM905
)
def test_titles_and_words_of_everyday_are_no_names(word: str) -> None:
    assert not is_person_name(word)
