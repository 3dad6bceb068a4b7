"""The initials a desk types for a name: 王小芳 is wxf. Every reading counts, a surname's own reading first."""

import os
import unicodedata
from functools import lru_cache
from itertools import islice, product

# Characters are looked up one by one: the package's phrases would cost every process 40 MB and a fifth of its start.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")

from pypinyin import Style, pinyin  # it reads them as it is imported

MOST_READINGS = 32  # of one name; a name of rare polyphones is cut here

# How these characters are read as a surname, where the dictionary's first reading is another.
SURNAMES = {
    "单": "s", "曾": "z", "仇": "q", "解": "x", "查": "z", "区": "o", "盖": "g", "翟": "z", "缪": "m", "朴": "p",
    "种": "c", "员": "y", "召": "s", "冼": "x", "折": "s", "覃": "q", "乐": "y", "任": "r", "那": "n", "纪": "j",
    "宓": "m", "祭": "z", "繁": "p", "晟": "c", "卜": "b", "尹": "y", "柏": "b", "车": "c", "秘": "b", "逄": "p",
    "隗": "w", "郇": "x", "佴": "n", "阚": "k", "句": "g", "乜": "n", "蔚": "y", "炅": "g",
    "尉迟": "yc", "万俟": "mq", "长孙": "zs", "令狐": "lh", "澹台": "tt", "呼延": "hy", "鲜于": "xy", "单于": "cy",
    "闾丘": "lq", "亓官": "qg", "拓跋": "tb", "宰父": "zf", "谷梁": "gl", "仉督": "zd", "子车": "zj",
}  # fmt: skip


@lru_cache(maxsize=8192)
def _readings(char: str) -> tuple[str, ...]:
    """The initials of one Chinese character, most usual first; none when no reading is known."""
    letters = pinyin(char, style=Style.FIRST_LETTER, heteronym=True, errors="ignore", strict=False)
    return tuple(dict.fromkeys(letter[0] for group in letters for letter in group if letter[:1].isalpha()))


def _is_chinese(char: str) -> bool:
    return "IDEOGRAPH" in unicodedata.name(char, "") or char == "〇"


def _units(text: str) -> list[tuple[str, ...]]:
    """The possible initials of each character of a name, and of each Latin word in it."""
    units: list[tuple[str, ...]] = []
    in_word = False
    for char in text:
        if _is_chinese(char):
            if readings := _readings(char):
                units.append(readings)
            in_word = False
        elif char.isalnum():
            if not in_word:
                units.append((char,))
            in_word = True
        else:
            in_word = False
    return units


def initials(text: str) -> list[str]:
    """Every way a desk may write the initials of a name; letters alone are taken as typed initials themselves."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    if folded.isascii() and folded.isalnum():
        return [folded]
    units = _units(folded)
    for length in (2, 1):
        surname = SURNAMES.get(folded[:length])
        if surname is not None and len(units) >= length:
            for at, letter in enumerate(surname):
                units[at] = (letter, *(other for other in units[at] if other != letter))
            break
    if not units:
        return []
    return list(dict.fromkeys("".join(letters) for letters in islice(product(*units), MOST_READINGS)))
