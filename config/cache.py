"""What stands in Valkey is text. Pickled, a value written there by somebody else would run in our processes, keys at hand."""

import json
from typing import Any


class JsonSerializer:
    """For Django's Redis cache. Integers stay bare, so that counting up stays one step."""

    def dumps(self, value: Any) -> Any:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, kept: bytes) -> Any:
        return json.loads(kept)
