"""The writers of letters, by the labels, signatures and words of what was read."""

from __future__ import annotations

import pytest

from normalize.labels import LabelRules
from normalize.letter_people import Writers, writers

RULES = LabelRules()


def read(content: str, title: str = "") -> Writers:
    return writers(content, RULES, title)


def test_an_accused_persons_lines_are_not_the_writers() -> None:
    letter = (
        "校长李大明收受礼金，请查处。\n被举报人：李大明\n电话：13500000001\n住址：武进区花园街88号\n"
        "举报人：何静\n电话：13500000002\n住址：青龙苑3幢201室"
    )

    (writer,) = read(letter).petitioners

    assert (writer.name, writer.phones, writer.address) == ("何静", ("13500000002",), "青龙苑3幢201室")


def test_an_anonymous_accusation_has_no_petitioner() -> None:
    found = read("举报校长李大明（电话13500000001，身份证320402198506121236）收受礼金。\n知情群众")

    assert (found.petitioners, found.anonymous) == ((), True)


@pytest.mark.parametrize("name", ["匿名", "匿名群众"])
def test_who_signs_as_anonymous_is(name: str) -> None:
    assert read(f"校长收受礼金。\n举报人：{name}\n电话：13500000002").anonymous is True


def test_who_names_himself_and_accuses_is_not_anonymous() -> None:
    found = read("本人李明控告青枫中学校长收受礼金，请查处。")

    assert ([each.name for each in found.petitioners], found.anonymous) == (["李明"], False)


def test_a_misread_number_of_ones_own_is_mended_and_no_strangers_is_taken() -> None:
    stranger = "我打学校电话0519-85550000，没有人接。\n"

    assert read(f"{stranger}写信人：何静\n电话：1874592|360").petitioners[0].phones == ("18745921360",)
    doubtful = read(f"{stranger}写信人：何静\n电话：18745#2136")
    assert doubtful.petitioners[0].phones == ()
    assert [doubt.code for doubt in doubtful.doubts] == ["phone_doubtful"]


def test_a_joint_letter_is_told_by_its_title_or_its_count() -> None:
    assert read("请开一路校车。\n何静", "关于校车的联名信").together.joint
    assert read("请开一路校车，共有236户签名。").together.count == 236
