"""Forms as a browser would send them, read from a page and filled with the dullest valid thing."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from django.utils.timezone import localdate

WORDS = "一句话说明"
TYPED = {
    "date": "",
    "number": "1",
    "email": "ward@clinic.example",
    "tel": "13900005678",
    "time": "08:00",
    "password": "x",
}


@dataclass
class Form:
    """Where it goes to and what it sends; files are left out."""

    action: str
    sends: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        self.sends.setdefault(name, []).append(value)


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.forms = page, list[Form]()
        self._form: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = (
                Form(has.get("action") or self.page) if has.get("method", "").lower() == "post" else None
            )
        if self._form is None:
            return
        name, kind, value = has.get("name", ""), has.get("type", "text"), has.get("value", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and value:
            if "selected" in has or self._select not in self._form.sends:
                self._form.sends[self._select] = [value]
        elif tag == "textarea" and name:
            self._form.add(name, WORDS)
        elif tag == "input" and name and kind not in ("file", "submit"):
            self._input(self._form, name, kind, value)
        elif (tag == "button" or kind == "submit") and name and name not in self._form.sends:
            self._form.add(name, value)

    def _input(self, form: Form, name: str, kind: str, value: str) -> None:
        if kind == "radio" and name in form.sends:
            return
        form.add(name, value or str(TYPED.get(kind, WORDS) or localdate()))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        if tag == "form" and self._form is not None:
            self.forms.append(self._form)
            self._form = None


def forms_on(page: str, address: str) -> list[Form]:
    """The forms of a page that send something (POST), each radio at its first choice and every box ticked."""
    reader = _Reader(address)
    reader.feed(page)
    return reader.forms
