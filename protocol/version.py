"""The protocol's name and version, carried by every domain and label."""

PROTOCOL_NAME = "Hearth"
PROTOCOL_VERSION = "3"
SPEC_VERSION = 5
