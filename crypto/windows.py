"""Windows of Django admin: somebody may look, nobody may write, and what is sealed stays sealed."""

from typing import Any, NoReturn, TypeVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse

from crypto.fields import SealedField
from crypto.seals import MASK

M = TypeVar("M", bound=models.Model)


class ToldAdmin(admin.ModelAdmin[M]):
    """Whoever asks for a row that is not there, or not theirs, is refused and told of; Django would lead to its first page."""

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        raise Http404


class Window(ToldAdmin[M]):
    """A table as it stands. Sealed columns show that they are sealed; keys, digests and seals themselves are left out."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Nothing is sent to a list that has no action. Raises PermissionDenied, so that whoever tries is told of."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> list[Any]:
        shown = [f for f in self.model._meta.concrete_fields if not _is_left_out(f)]
        return [f"sealed_{f.name}" if isinstance(f, SealedField) else f.name for f in shown]

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> list[str]:
        return self.get_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[M]:
        """Without the seals themselves, and with what the list says of other rows."""
        sealed = [f.name for f in self.model._meta.concrete_fields if isinstance(f, SealedField)]
        return super().get_queryset(request).defer(*sealed)

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        relations = {f.name for f in self.model._meta.concrete_fields if f.is_relation}
        return [str(name) for name in self.list_display if name in relations]

    def __getattr__(self, name: str) -> Any:
        """`sealed_<field>`: a column that says so, under the field's own name."""
        if not name.startswith("sealed_"):
            raise AttributeError(name)
        field: Any = self.model._meta.get_field(name.removeprefix("sealed_"))

        @admin.display(description=field.verbose_name)
        def sealed(row: M) -> str:
            return MASK

        return sealed


def _is_left_out(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, models.BinaryField) and not isinstance(field, SealedField)
