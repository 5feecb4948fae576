"""Who writes: whose numbers, which address, who signs, who is anonymous; the same in a mail and in a letter."""

from __future__ import annotations

import time

import pytest

from normalize.case import Petitioner
from normalize.writers import DOUBTFUL_ID, DOUBTFUL_PHONE, anonymous, writers

ID_HE, ID_LI = "320402199003074524", "320402198506121236"


def first(text: str) -> Petitioner:
    return writers(text, {}).petitioners[0]


def told(text: str) -> tuple[str | None, tuple[str, ...], str | None]:
    found = writers(text, {}).petitioners
    return (found[0].name, found[0].phones, found[0].id_no) if found else (None, (), None)


def test_what_belongs_to_the_childs_father_is_not_the_writers() -> None:
    text = f"孩子爸爸叫李强，身份证号{ID_LI}，电话13500000001。我叫何静，电话13500000002，身份证{ID_HE}。"

    writer = first(text)

    assert (writer.name, writer.phones, writer.id_no, writer.gender) == ("何静", ("13500000002",), ID_HE, "女")


@pytest.mark.parametrize(
    "text",
    [
        f"举报校长李大明（电话13500000001，身份证{ID_LI}）收受礼金，请查处。",
        "机构负责人姓赵，人一直不在，电话13500000001，请查处。",
        "请查处李大明，他的电话是13500000001，人在外地。",
        "培训班老板王某，收了钱就关门，电话13500000001。",
        "负责人：王建国\n电话：13500000001\n他们一直不退钱，请领导重视我们的诉求。",
        "邻居张三丰，电话13500000001，可以作证，请领导核实。",
        "我多次拨打学校的电话0519-85550000，没有人接听，也没有人回复我。",
        "我打了教务处电话0519-85550000，对方让我等通知，请局里管一管。",
        "被投诉单位：星光培训学校，一直不退钱，电话0519-86660000，请查处。",
        "被举报人李大明，男，住常州市天宁区红梅新村1幢，电话13500000001。",
    ],
)
def test_a_strangers_numbers_are_nobody_elses(text: str) -> None:
    assert all(not each.phones and not each.id_no and not each.address for each in writers(text, {}).petitioners)


@pytest.mark.parametrize(
    "text",
    [
        "我孩子在花桥中学读书，我的电话是13500000002，班主任一直不回复。",
        "我是张小明的爸爸，电话13500000002，学校的做法不合适。",
        "老师打了孩子，学校不管，请尽快联系我，电话13500000002。",
        "食堂的饭菜总是凉的。盼复。联系电话：13500000002",
        "学校一直不答复。\n何静\n电话：13500000002",
        "学校一直不答复，希望解决，谢谢！13500000002",
        "学校一直不答复。\n家长：何静（孩子妈妈）13500000002",
        "学校一直不答复。\n联系人：孩子妈妈\n电话：13500000002",
        "校长李大明不管。\n举报人：何静\n电话：13500000002",
        "此事拖了很久，13500000002是我的手机，请回电。",
    ],
)
def test_the_writers_own_number_is_found_beside_others(text: str) -> None:
    assert told(text)[1] == ("13500000002",)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我是赵敏，电话13500000002", "赵敏"),
        ("我是五年级学生的家长，我叫李雷，想问一件事", "李雷"),
        ("本人是三年级学生家长张三丰，想问一件事", "张三丰"),
        ("本人系溧阳市民陈大文，想问一件事", "陈大文"),
        ("我是青枫中学初一学生的家长，姓名张明远", "张明远"),
        ("我是红梅新村居民张建国，想问一件事", "张建国"),
        ("我是学生李小明的父亲李国强，想问一件事", "李国强"),
        ("我叫做张建国，想问一件事", "张建国"),
        ("我叫阿依古丽·买买提，电话13500000002，想问一件事", "阿依古丽·买买提"),
        ("原告：何静，被告：青枫中学", "何静"),
        ("本人李明控告青枫中学校长收受礼金", "李明"),
        ("我是江苏人，想问一件事", None),
        ("我是车主，想问一件事", None),
        ("本人籍贯E5县，想问一件事", None),
        ("本人工作十年，教龄十年，想问一件事", None),
        ("我是李小明的妈妈，想问一件事", None),
        ("被举报人李大明收受礼金", None),
    ],
)
def test_people_name_themselves_in_many_ways(text: str, name: str | None) -> None:
    assert told(text)[0] == name


@pytest.mark.parametrize(
    ("signature", "name", "phones"),
    [
        ("家长：刘 洋", "刘洋", ()),
        ("一位焦急的妈妈 李敏", "李敏", ()),
        ("溧阳市南渡中学  退休教师 史国平", "史国平", ()),
        ("常州市民：何芳芳", "何芳芳", ()),
        ("具名：冯雪", "冯雪", ()),
        ("考生：钱多多", "钱多多", ()),
        ("陈思远  手机：138-6111-2222  QQ：123456789", "陈思远", ("13861112222",)),
        ("朱小丹（13861112222）", "朱小丹", ("13861112222",)),
        ("市民 吴敏 13701234567", "吴敏", ("13701234567",)),
        ("常州市青枫中学 王建国", "王建国", ()),
        ("家长：张三\n学生：李小明", "张三", ()),
        ("请转交 王芳", None, ()),
        ("被举报人：李大明", None, ()),
        ("一名家长", None, ()),
    ],
)
def test_signatures_are_read_with_role_unit_and_number(
    signature: str, name: str | None, phones: tuple[str, ...]
) -> None:
    assert told(f"情况如下，食堂饭菜总是凉的。\n请解决。\n此致\n敬礼\n{signature}\n2026年3月1日")[:2] == (name, phones)


def test_of_several_who_sign_each_has_the_number_on_his_line() -> None:
    text = "请开一路校车。\n孩子们走得太远。\n家长代表：张三丰 13800000001\n家长代表：王美丽 13800000002"

    assert [(each.name, each.phones) for each in writers(text, {}).petitioners] == [
        ("张三丰", ("13800000001",)),
        ("王美丽", ("13800000002",)),
    ]


def test_representatives_named_in_a_line_each_have_their_number() -> None:
    text = "我们一共58户联名要求开一路校车。代表：顾建中 13800000001；代表：陆小燕 13800000002"

    assert [(each.name, each.phones) for each in writers(text, {}).petitioners] == [
        ("顾建中", ("13800000001",)),
        ("陆小燕", ("13800000002",)),
    ]


def test_who_writes_in_one_go_signs_behind_his_last_sentence() -> None:
    assert told("我的孩子刘子轩昨天摔伤了。请学校给个说法。刘子轩妈妈 杨梅 13500000002")[:2] == (
        "杨梅",
        ("13500000002",),
    )


def test_a_childs_name_claims_its_identity_number_and_no_telephone() -> None:
    text = f"我叫周海，我女儿周晓晓今年6岁，身份证号{ID_LI}，请问怎么报名，联系电话13500000002。"

    assert told(text) == ("周海", ("13500000002",), None)


def test_a_list_of_signers_that_goes_on_names_those_it_names() -> None:
    text = "请开一路校车。\n孩子们走得太远。\n联名家长：张三丰、李小龙、王美丽等32人"

    assert [each.name for each in writers(text, {}).petitioners] == ["张三丰", "李小龙", "王美丽"]


@pytest.mark.parametrize("written", ["电话：1874592|360", "电话：l8745921360", "电话：1874592136O"])
def test_a_misread_number_is_repaired(written: str) -> None:
    found = writers(f"食堂电话13500000001没人接。\n{written}", {"phone": written[3:]})

    assert found.petitioners[0].phones == ("18745921360",)


def test_a_number_that_cannot_be_read_is_not_replaced_by_a_strangers() -> None:
    found = writers("我打食堂电话13500000001没人接。\n电话：18745#2136", {"phone": "18745#2136"})

    assert [each.phones for each in found.petitioners] == []
    assert found.doubts == (DOUBTFUL_PHONE,)


def test_a_wrong_check_digit_after_its_label_is_kept_with_a_warning() -> None:
    found = writers("我叫何静，身份证号320402199003074517，想问一件事。", {})

    assert found.petitioners[0].id_no == "320402199003074517"
    assert found.doubts == (DOUBTFUL_ID,)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("我家住常州市天宁区红梅新村12幢301室，孩子上初一。", "常州市天宁区红梅新村12幢301室"),
        ("家住新城南都花园12-3-501，孩子上初一。", "新城南都花园12-3-501"),
        ("本人住振兴路56号职工公寓B座319，孩子上初一。", "振兴路56号职工公寓B座319"),
        ("家住武进区湖塘镇定安中路长安家园。", "武进区湖塘镇定安中路长安家园"),
        ("学校不答复。\n何静\n住址：青龙苑 20幢 301", "青龙苑 20幢 301"),
        ("我住在离学校不远的常州市武进区人民路8号，走路十分钟。", "常州市武进区人民路8号"),
        ("学校不答复。\n何静 常州市天宁区红梅新村12幢301室", "常州市天宁区红梅新村12幢301室"),
        ("公司在常州市武进区湖塘镇花园街88号，一直营业。", None),
        ("地点在常州市天宁区青龙路1号，请查处。", None),
        ("该机构位于武进区花园街88号，请查处。", None),
        ("学校地址：武进区花园街88号。", None),
        ("星光培训班无证办学，地址：新北区通江路88号，请查处。", None),
        ("我叫何静，地址：新北区通江路88号，想问一件事。", "新北区通江路88号"),
        ("公司的地址是武进区花园街88号。", None),
        ("校长李大明，家住常州市天宁区红梅新村1幢，开豪车。", None),
        ("我家住的小区离学校很远，希望划片时考虑。", None),
    ],
)
def test_an_address_is_the_writers_home_and_whole(text: str, address: str | None) -> None:
    assert next((each.address for each in writers(text, {}).petitioners), None) == address


def test_anonymous_is_who_asks_for_it_or_gives_nothing_of_himself() -> None:
    named, reached = (Petitioner(name="何静"),), (Petitioner(phones=("13500000002",)),)

    assert anonymous((), asked=False) is True
    assert anonymous(named, asked=True) is True
    assert anonymous(named, asked=False) is False
    assert anonymous(reached, asked=False) is None


@pytest.mark.parametrize(
    "text", ["我是", "电话：1 ", "13500000001，", "家住", "：", "姓 名 ", "联系人：", "王芳\n", "我叫王芳"]
)
def test_a_hostile_text_takes_no_more_time_than_its_length(text: str) -> None:
    begin = time.process_time()
    writers((text * 24_000)[:24_000], {})

    assert time.process_time() - begin < 2
