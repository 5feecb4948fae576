import pytest

from normalize.words import Words, merged, weighted


def test_each_word_counts_once() -> None:
    words = Words.of({"收费": 2.0, "补课": 1.0})

    assert words.weight_in("收费收费收费") == 2.0


def test_a_gap_stays_within_the_sentence() -> None:
    words = Words.of({"老师|班主任…辱骂|殴打": 3.0})

    assert words.weight_in("班主任当众辱骂学生") == 3.0
    assert words.weight_in("老师很好。有人辱骂路人") == 0
    assert words.weight_in("殴打老师") == 0


def test_a_gap_is_bounded() -> None:
    words = Words.of({"老师…打人": 1.0})

    assert words.weight_in("老师" + "很" * 12 + "打人") == 1.0
    assert words.weight_in("老师" + "很" * 13 + "打人") == 0


def test_alternatives_without_a_gap() -> None:
    assert Words.of({"买官|卖官": 4.0}).weight_in("有人卖官") == 4.0


def test_what_was_found_is_told() -> None:
    assert Words.of({"收费": 1.0, "老师…收": 1.0}).found_in("老师乱收费") == ("收费", "老师乱收")


def test_the_heaviest_word_is_told() -> None:
    words = Words.of({"收费": 1.0, "老师…打": 2.5, "补课": 2.0})

    assert words.heaviest_in("老师补课收费") == 2.0
    assert words.heaviest_in("老师会打人，还补课") == 2.5
    assert words.heaviest_in("春天") == 0.0


def test_weight_zero_takes_a_word_out() -> None:
    assert merged({"收费": 1.0, "补课": 1.0}, {"收费": 0, "晚托": 2.0}) == {"补课": 1.0, "晚托": 2.0}


def test_a_word_listed_twice_is_a_slip() -> None:
    with pytest.raises(ValueError, match="收费"):
        weighted("2: 收费\n1: 补课 收费")


def test_lists_are_lines_of_weight_and_words() -> None:
    assert weighted("""
        2.5: 举报 控告
        -1: 感谢
    """) == {"举报": 2.5, "控告": 2.5, "感谢": -1}
