"""How the parts of a page look: icons, marks, arrows of results, form controls. `{% load components %}`.

These tags take plain values and know no model, so a template of any app may use them.
"""

from typing import Any

from django import template
from django.forms import (
    BoundField,
    CheckboxInput,
    CheckboxSelectMultiple,
    FileInput,
    RadioSelect,
    Select,
    Textarea,
)
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from desk.templatetags.drawings import svg

register = template.Library()

MARK_TONES = {
    "critical": "danger",
    "overdue": "due",
    "today": "ok",
    "waiting": "info",
    "pool": "mute",
    "undated": "mute",
    "new": "ok",
    "update": "info",
    "same": "mute",
    "refused": "danger",
    "report": "info",
    "changed": "mute",
}
FLAG_NAMES = {
    "high": gettext_lazy("above the range"),
    "low": gettext_lazy("below the range"),
    "critical_high": gettext_lazy("critically high"),
    "critical_low": gettext_lazy("critically low"),
}
FLAG_CLASSES = {"high": "is-hi", "low": "is-lo", "critical_high": "is-crit", "critical_low": "is-crit"}
TONES = {
    "ok": {"normal", "granted", "active", "sent", "done", "completed", "filed", "registered", "ok"},
    "due": {"high", "low", "due", "overdue", "pending", "expiring", "conflict", "unflagged"},
    "danger": {"critical_high", "critical_low", "critical", "failed", "refused", "broken"},
    "info": {"planned", "queued", "waiting", "draft", "restricted", "info"},
    "off": {
        "withdrawn",
        "refusal",
        "not_granted",
        "denied",
        "ended",
        "cancelled",
        "expired",
        "closed",
        "off",
    },
}


@register.simple_tag
def icon(name: str, size: str = "", label: str = "") -> SafeString:
    """An icon of the staff's pages (20 px grid); `size` is "", "sm" or "lg". Raises LookupError for an unknown name."""
    return svg(name, f"zz-i zz-i-{size}" if size else "zz-i", label)


@register.simple_tag
def portal_icon(name: str, size: str = "", label: str = "") -> SafeString:
    """An icon of the patient's pages (24 px grid); `size` is "" or "s"."""
    return svg(f"portal/{name}", f"pt-i pt-i-{size}" if size else "pt-i", label)


@register.simple_tag
def mark(name: str, tone: str = "") -> SafeString:
    """The shape in front of a group or a row: octagon critical, triangle overdue, dot today, ring waiting, bar undated."""
    return format_html(
        '<span class="zz-mark is-{}" aria-hidden="true">{}</span>',
        tone or MARK_TONES[name],
        svg(f"marks/{name}", ""),
    )


@register.simple_tag
def flag(code: str) -> SafeString:
    """The drawn arrow of a result, with its spoken name; nothing for a result in range or without a range."""
    if code not in FLAG_NAMES:
        return SafeString("")
    return svg(f"flags/{code}", "zz-ar", str(FLAG_NAMES[code]))


@register.filter
def flag_class(code: str) -> str:
    """The class of a flagged value: `<span class="zz-f {{ code|flag_class }}">`."""
    return FLAG_CLASSES.get(code, "")


@register.filter
def tone(state: object) -> str:
    """What a state says by colour: ok, due, danger, info, off; "" for a state that says nothing special."""
    word = str(state)
    return next((name for name, states in TONES.items() if word in states), "")


@register.filter
def control(field: BoundField) -> SafeString:
    """The form control in the house's look. Django itself ties it to `<id>_helptext` and `<id>_error` for those who hear the page."""
    widget = field.field.widget
    attributes: dict[str, Any] = {}
    if isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        pass
    elif isinstance(widget, CheckboxInput):
        attributes["class"] = "zz-check"
    elif isinstance(widget, Select):
        attributes["class"] = "form-select"
    elif isinstance(widget, Textarea):
        attributes |= {"class": "form-control", "rows": widget.attrs.get("rows", 3)}
    else:
        attributes["class"] = "form-control"
    if widget.attrs.get("placeholder") == field.label:
        attributes["placeholder"] = ""  # the label above says it already
    if own := widget.attrs.get("class"):
        attributes["class"] = f"{attributes.get('class', '')} {own}".strip()
    return field.as_widget(attrs=attributes)


@register.filter
def without_help(field: BoundField) -> BoundField:
    """The field without the hint its form has for it."""
    field.help_text = ""
    return field


@register.filter
def kind_of_control(field: BoundField) -> str:
    """How a field is laid out: "check" beside its label, "group" under a legend, "file" or "line"."""
    widget = field.field.widget
    if isinstance(widget, RadioSelect | CheckboxSelectMultiple):
        return "group"
    if isinstance(widget, CheckboxInput):
        return "check"
    return "file" if isinstance(widget, FileInput) else "line"


@register.filter
def spoken(code: str) -> str:
    """A flag in words, for tables that print: 偏高, 危急偏低; 正常 for a value in range; "" without a range."""
    if code in FLAG_NAMES:
        return str(FLAG_NAMES[code])
    return _("in range") if code == "normal" else ""
