"""Invents people: believable names, ages and families, and a body whose values hang together. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from patients.identity import ID_CHECK_CHARACTERS, ID_WEIGHTS

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷单仇解"
DOUBLE_SURNAMES = ("欧阳", "上官", "司马", "诸葛", "令狐")
GIVEN_FEMALE = (
    "芳娜敏静丽艳娟霞秀英玉兰桂珍红梅雪琳晶妍茜秋莎锦黛青倩婷姣婉娴瑾颖露瑶怡婵雁蓓纨仪荷丹蓉眉君琴蕊薇菁梦岚"
)
GIVEN_MALE = "伟强磊军洋勇杰涛明超刚平辉健俊飞建国庆志宏海波峰浩宇鹏斌林毅松柏成康星光天达安岩中茂进有坚和彪博诚先敬震振壮会思群豪心邦"
MINORITY_NAMES = (
    "阿依古丽·买买提",
    "迪丽娜尔·艾合买提",
    "扎西·多吉",
    "买买提·吐尔逊",
    "古丽娜·艾则孜",
    "巴图·苏和",
)
UNUSED_REGION = "990101"  # no place has this code, so no number here can be anybody's


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a person's values come from: each between 0 (none) and 1 (a lot)."""

    weight: float
    pressure: float
    sugar: float
    lipids: float
    hepatitis_b: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedPerson:
    name: str
    sex: str
    born_on: date
    id_number: str | None
    phone: str
    phone_owner: str
    email: str | None
    body: Body


def invent_people(count: int, *, today: date, seed: int = 20260101) -> Iterator[InventedPerson]:
    """`count` people. About one in eight shares the phone of somebody invented shortly before: a family."""
    random = Random(seed)  # noqa: S311 (the same people every time is the point)
    names: set[str] = set()
    phones: list[str] = []
    for number in range(count):
        sex = random.choice(("female", "male"))
        age = min(92, max(19, round(random.gauss(52, 15))))
        born_on = today - timedelta(days=round(age * 365.2425) + random.randrange(365))
        shares = len(phones) > 5 and random.random() < 0.13
        phone = random.choice(phones[-5:]) if shares else f"+86199{number:04d}{random.randrange(10_000):04d}"
        phones.append(phone)
        yield InventedPerson(
            name=_name(random, sex, number, names),
            sex=sex,
            born_on=born_on,
            id_number=_id_number(random, born_on, sex) if random.random() < 0.7 else None,
            phone=phone,
            phone_owner=random.choice(("child", "spouse")) if shares else "self",
            email=f"person{number}@mailbox.invalid" if random.random() < 0.3 else None,
            body=_body(random, age),
        )


def _name(random: Random, sex: str, number: int, taken: set[str]) -> str:
    if number % 50 == 17:
        return MINORITY_NAMES[number // 50 % len(MINORITY_NAMES)]
    given = GIVEN_FEMALE if sex == "female" else GIVEN_MALE
    while True:
        surname = random.choice(DOUBLE_SURNAMES) if random.random() < 0.02 else random.choice(SURNAMES)
        name = surname + "".join(random.sample(given, random.choice((1, 2, 2, 2))))
        if name not in taken:
            taken.add(name)
            return name


def _id_number(random: Random, born_on: date, sex: str) -> str:
    """Eighteen characters with a right check character (GB 11643-1999), of a region that does not exist."""
    order = random.randrange(0, 1000, 2) + (sex == "male")
    digits = f"{UNUSED_REGION}{born_on:%Y%m%d}{order % 1000:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, ID_WEIGHTS, strict=True))
    return digits + ID_CHECK_CHARACTERS[total % 11]


def _body(random: Random, age: int) -> Body:
    weight = min(1.0, max(0.0, random.gauss(0.45, 0.22)))
    older = min(1.0, max(0.0, (age - 30) / 50))

    def leaning(base: float, spread: float) -> float:
        return min(1.0, max(0.0, base + random.gauss(0, spread)))

    return Body(
        weight=weight,
        pressure=leaning(0.2 + 0.35 * weight + 0.35 * older, 0.18),
        sugar=leaning(0.08 + 0.35 * weight + 0.25 * older, 0.16),
        lipids=leaning(0.3 + 0.4 * weight, 0.24),
        hepatitis_b=random.random() < 0.05,
    )
