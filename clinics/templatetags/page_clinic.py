"""`{% csrf_token %}` as every template of the house has it: with the clinic the page is made for."""

from typing import Any

from django import template
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clinics.page_clinic import FIELD, page_clinic

register = template.Library()


class FormTokens(CsrfTokenNode):
    """The hidden fields no form may forget. Without the first it is refused, so none can be without the second."""

    def render(self, context: Context) -> SafeString:
        token = super().render(context)
        made_for = _made_for(context)
        if not token or not made_for:
            return SafeString(token)
        return format_html('{}<input type="hidden" name="{}" value="{}">', token, FIELD, made_for)


def _made_for(context: Any) -> str:
    """The clinic; in a piece that is kept, the gap it is put into."""
    return context.get(FIELD) or page_clinic(getattr(context, "request", None))


@register.tag
def csrf_token(parser: Parser, token: Token) -> FormTokens:
    return FormTokens()
