"""Single SVG files of static/icons, read once and put into the page: no request, no style attribute, no sprite."""

import re
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

_OUTER = re.compile(r'<svg[^>]*?viewBox="(?P<box>[-0-9. ]+)"[^>]*>(?P<inside>.*)</svg>', re.DOTALL)


@cache
def drawing(name: str) -> tuple[str, SafeString]:
    """The view box and the inside of `static/icons/<name>.svg`. Raises LookupError for a name that has no file."""
    found = finders.find(f"icons/{name}.svg")
    if not found:
        raise LookupError(f"There is no icon named {name!r}.")
    match = _OUTER.search(Path(found).read_text(encoding="utf-8"))
    if match is None:
        raise LookupError(f"The file of icon {name!r} is not one SVG with a view box.")
    return match["box"], mark_safe(match["inside"].strip())  # noqa: S308 - our own file, no user's text


@cache
def svg(name: str, css: str, label: str = "") -> SafeString:
    """An inline SVG: decoration when it has no label, an image with a spoken name when it has one. Labels are our own words."""
    box, inside = drawing(name)
    if label:
        return format_html(
            '<svg class="{}" viewBox="{}" role="img" aria-label="{}">{}</svg>', css, box, label, inside
        )
    return format_html('<svg class="{}" viewBox="{}" aria-hidden="true">{}</svg>', css, box, inside)
