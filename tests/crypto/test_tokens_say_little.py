"""Blind-index terms and tokens: what a desk types finds what was stored, and a token says nothing without the key."""

import hmac
from string import ascii_lowercase

import pytest

from crypto.core.pinyin import initials
from crypto.core.suites import KeyedHash, Suite
from crypto.core.tokens import BITS, Index, name_terms, terms, token

KEYED = KeyedHash(Suite.AES_256_GCM, bytes(32))


def test_a_name_is_found_by_each_two_neighbouring_characters() -> None:
    assert terms(Index.NAME_BG, "王小芳") == ["王小", "小芳"]
    assert terms(Index.NAME_BG, "王小王小") == ["王小", "小王"]
    assert terms(Index.NAME_BG, "Anna") == ["an", "nn", "na"]


@pytest.mark.parametrize("text", ["王", "", " · ", "A"])
def test_one_character_alone_is_never_indexed(text: str) -> None:
    assert terms(Index.NAME_BG, text) == []


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("古丽阿依", "古丽·阿依"),
        ("古丽 阿依", "古丽•阿依"),
        ("ＡＮＮＡ", "anna"),
        ("o'neil", "O’Neil"),
        ("Jean-Luc", "JEAN LUC"),
        ("𬭎䶮", " 𬭎䶮 "),
    ],
)
def test_width_case_dots_and_spaces_do_not_matter(typed: str, stored: str) -> None:
    assert name_terms(typed) == name_terms(stored)
    assert terms(Index.NAME_EQ, typed) == terms(Index.NAME_EQ, stored)


def test_an_endless_name_has_an_end() -> None:
    assert len(terms(Index.NAME_BG, "".join(chr(0x4E00 + at) for at in range(500)))) == 59


def test_a_phone_and_an_id_number_are_found_whole() -> None:
    assert terms(Index.PHONE_EQ, "+86 138-0013-8000") == ["+8613800138000"]
    assert terms(Index.PHONE_EQ, "＋８６１３８００１３８０００") == ["+8613800138000"]
    assert terms(Index.PHONE_LAST4, "+86 138-0013-8000") == ["8000"]
    assert terms(Index.IDNO_EQ, "11010119600229 002x") == ["11010119600229002X"]


@pytest.mark.parametrize(
    ("index", "text"), [(Index.PHONE_EQ, "none"), (Index.PHONE_LAST4, "123"), (Index.IDNO_EQ, " - ")]
)
def test_a_text_that_holds_nothing_for_the_index_gives_no_token(index: Index, text: str) -> None:
    assert terms(index, text) == []


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("王小芳", "wxf"),
        ("单田芳", "stf"),
        ("曾国藩", "zgf"),
        ("万俟卨", "mqx"),
        ("尉迟恭", "ycg"),
        ("仇英", "qy"),
        ("䶮一", "yy"),
    ],
)
def test_initials_begin_with_the_surnames_own_reading(name: str, first: str) -> None:
    assert initials(name)[0] == first


def test_surnames_that_are_read_otherwise_than_the_word_come_first() -> None:
    """As dictionaries give them for surnames: 单 shàn, 曾 zēng, 仇 qiú, 解 xiè, 查 zhā, 区 ōu …"""
    known = (
        "单s 曾z 仇q 解x 查z 区o 盖g 翟z 缪m 朴p 种c 员y 召s 冼x 折s 覃q 乐y 任r 那n 纪j 宓m 祭z 繁p 晟c 柏b 车c 秘b 逄p"
        " 隗w 郇x 佴n 阚k 句g 乜n 蔚y 炅g 尉迟yc 万俟mq 长孙zs 令狐lh 澹台tt 单于cy 子车zj 亓官qg 诸葛zg 欧阳oy 皇甫hf 乐正yz"
    )
    for word in known.split():
        surname, letters = (
            word.rstrip(ascii_lowercase),
            word.lstrip("".join(set(word) - set(ascii_lowercase))),
        )
        assert initials(surname + "一")[0] == letters + "y", surname


def test_a_rule_for_a_surname_does_not_reach_into_the_given_name() -> None:
    assert initials("王单")[0] == "wd"
    assert initials("王解放")[0] == "wjf"


def test_every_reading_of_a_character_is_found() -> None:
    assert {"stf", "dtf", "ctf"} <= set(initials("单田芳"))
    assert {"yl", "ll"} <= set(initials("乐乐"))
    assert {"zy", "cy"} <= set(initials("曾一"))
    assert {"qc", "qz", "cc", "cz"} <= set(initials("仇重"))
    assert {"xx", "jx", "xh", "jh"} <= set(initials("解行"))


def test_readings_of_a_long_name_end_somewhere() -> None:
    assert len(initials("单乐曾重单乐曾重")) == 32


def test_latin_names_have_the_initials_of_their_words_and_typed_letters_stay() -> None:
    assert initials("Anna Maria") == ["am"]
    assert initials("wxf") == ["wxf"]
    assert initials("WXF ") == ["wxf"]
    assert initials("…") == []


@pytest.mark.parametrize("index", Index)
def test_a_token_has_the_bits_of_its_index(index: Index) -> None:
    tokens = [token(KEYED, index, str(number)) for number in range(3_000)]
    bits = BITS[index]
    if bits == 64:
        assert all(-(2**63) <= value < 2**63 for value in tokens)
        assert min(tokens) < 0 < max(tokens)
    else:
        assert all(0 <= value < 2**bits for value in tokens)
        assert max(tokens) > 2**bits * 0.9
    if bits >= 32:
        assert len(set(tokens)) == len(tokens)


def test_a_token_depends_on_the_index_and_the_key() -> None:
    other = KeyedHash(Suite.AES_256_GCM, bytes(31) + b"\1")
    sm3 = KeyedHash(Suite.SM4_GCM, bytes(32))
    assert token(KEYED, Index.PHONE_EQ, "1") != token(KEYED, Index.IDNO_EQ, "1")
    assert len({token(keyed, Index.PHONE_EQ, "1") for keyed in (KEYED, other, sm3)}) == 3


def test_a_token_is_the_first_bits_of_an_hmac_over_length_name_and_term() -> None:
    """Stored tokens would no longer be found if this changed."""
    digest = hmac.digest(bytes(32), b"\x07name_bg" + "王小".encode(), "sha256")
    assert token(KEYED, Index.NAME_BG, "王小") == int.from_bytes(digest[:3], "big")
    digest = hmac.digest(bytes(32), b"\x08phone_eq+8613800138000", "sha256")
    assert token(KEYED, Index.PHONE_EQ, "+8613800138000") == int.from_bytes(digest[:8], "big", signed=True)
