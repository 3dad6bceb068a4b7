"""The entries of a bundle, and who refers to whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from exchange.fhir.document import Node


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a bundle. `source_id` is the sender's own id: a business identifier before a technical one."""

    kind: str
    node: Node
    source_id: str
    references: tuple[str, ...]


class Entries:
    """All resources of one bundle. A reference finds its resource wherever it stands."""

    def __init__(self, document: Node) -> None:
        self._by_reference: dict[str, Resource] = {}
        self.resources: list[Resource] = []
        for place, entry in enumerate(document.items("entry")):
            body = entry.get("resource")
            if body is not None:
                self._add(_resource(entry, body, place))

    def _add(self, resource: Resource) -> None:
        self.resources.append(resource)
        for reference in resource.references:
            if reference in self._by_reference:
                raise resource.node.broken(_("Another entry of the bundle has the same id."))
            self._by_reference[reference] = resource

    def of(self, kind: str) -> Iterator[Resource]:
        """All resources of one kind, in the order of the file."""
        return (resource for resource in self.resources if resource.kind == kind)

    def referred(self, node: Node, name: str) -> Resource | None:
        """The resource that `name` refers to; None where the reference is absent or leads out of the bundle."""
        found = node.get(name)
        return self._by_reference.get(_plain(found.text("reference"))) if found else None


def _resource(entry: Node, body: Node, place: int) -> Resource:
    kind = body.need("resourceType").as_text()
    own_id = body.text("id")
    owner = f"entry[{place}] {kind}/{own_id}" if own_id else f"entry[{place}] {kind}"
    node = body.called(owner)
    full_url = _plain(entry.text("fullUrl"))
    references = dict.fromkeys(filter(None, [full_url, f"{kind}/{own_id}" if own_id else ""]))
    return Resource(kind, node, _identifier(node) or own_id or full_url, tuple(references))


def _identifier(node: Node) -> str:
    """`system|value` of the first business identifier, which stays the same when the sender exports again."""
    found = node.get("identifier")
    if found is None:
        return ""
    members = list(node.items("identifier")) if isinstance(found.value, list) else [found]
    named = ((member.text("system"), member.text("value")) for member in members)
    return next((f"{system}|{value}" for system, value in named if value), "")


def _plain(reference: str) -> str:
    """A reference without its version: `Patient/1/_history/2` and `Patient/1` are one."""
    return reference.partition("/_history/")[0]
