"""Every metric's declaration: name, unit, direction, definition and formula side by side."""
