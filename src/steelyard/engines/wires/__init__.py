"""Code that several dialects share: how bytes on the wire become stream events."""
