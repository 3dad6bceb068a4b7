"""Every address of Zhizhi. Paths hold ids that mean nothing, never a name, a phone or an ID number."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, register_converter
from django.urls.converters import StringConverter

from clinics.models import CLINIC_CODE
from config.health import health


class ClinicCode(StringConverter):
    regex = CLINIC_CODE


register_converter(ClinicCode, "clinic")

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's page, its lock-out and second factor
admin.site.site_header = admin.site.site_title = "知止"

urlpatterns = [
    path(
        "patients/", include("patients.urls")
    ),  # first: addresses are tried in this order, and twice a request
    path("", include("desk.urls")),
    path("", include("clinics.urls")),
    path("", include("consent.urls")),
    path("", include("records.urls")),
    path("", include("followups.urls")),
    path("import/", include("exchange.urls")),
    path("p/<clinic:clinic_code>/", include("portal.urls")),
    path("api/v1/", include("config.api")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("health/", health, name="health"),
]
handler404 = "config.edge.page_not_found"
handler500 = "config.edge.server_error"
