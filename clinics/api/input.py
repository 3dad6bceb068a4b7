"""What machines send: JSON, read strictly. An unknown field is a mistake that is said, never a value that is set."""

from collections.abc import Mapping
from typing import IO, Any

from django import forms
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser


class StrictJSON(JSONParser):
    """JSON without NaN, and without a depth that would break the reader."""

    strict = True

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError from None


class Said(serializers.Serializer[Any]):
    """The body of a request, or an object inside one. Fields are declared by hand; others are refused by name."""

    def to_internal_value(self, data: Any) -> Any:
        known = {name for name, field in self.fields.items() if not field.read_only}
        if isinstance(data, Mapping) and (unknown := set(data) - known):
            # Only how many: a name that was sent as a field may be a person's.
            raise ValidationError(
                {"unknown": [_("%(count)d fields are not known here.") % {"count": len(unknown)}]}
            )
        return super().to_internal_value(data)


def checked(form: forms.Form, **names: str) -> Mapping[str, Any]:
    """What a form of the pages makes of the values, so that a rule stands in one place.

    `names` are the form's fields that are called otherwise in the body. Raises ValidationError, by the body's names.
    """
    if not form.is_valid():
        raise ValidationError(
            {names.get(field, field): [str(one) for one in said] for field, said in form.errors.items()}
        )
    return form.cleaned_data
