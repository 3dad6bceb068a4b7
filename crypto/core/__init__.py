"""Pure: bytes in, bytes out. No ORM, no settings, no clock."""
