import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalize.words import WordLists, Words, merged, weighted


def _is_a_word(text: str) -> bool:
    return text.strip() == text and not any(part == "" for part in text.replace("|", "…").split("…"))


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


def test_lists_are_looked_through_together_as_each_would_be_alone() -> None:
    lists = {"fees": {"收费": 2.0, "乱…收": 1.0}, "safety": {"食堂": 1.5}, "none": {"春天": 1.0}}
    together = WordLists.of(lists)

    for text in ("食堂乱收费，学校乱花钱收钱", "收费", ""):
        assert together.weights_in(text) == {name: Words.of(words).weight_in(text) for name, words in lists.items()}


def test_a_piece_is_looked_through_by_what_is_known_of_the_whole() -> None:
    words = Words.of({"收费": 1.0, "食堂 收费": 2.0, "差": 4.0})
    whole = "尊敬的局长您好，食堂收费太差"

    assert words.weight_in("食堂 收费", within=whole) == 3.0
    assert words.weight_in("太差", within=whole) == 4.0
    assert words.weight_in("太好", within=whole) == 0.0


@given(
    st.dictionaries(st.text("收费食堂 差…|", min_size=1, max_size=4).filter(_is_a_word), st.just(1.0), max_size=8),
    st.text("收费食堂差。 ", max_size=30),
)
def test_looking_quickly_finds_what_looking_for_each_word_does(weights: dict[str, float], text: str) -> None:
    words = Words.of(weights)
    found = [word.text for word in words.words if word.found_in(text) is not None]

    assert words.weight_in(text) == len(found)
    assert len(words.found_in(text)) == len(found)
