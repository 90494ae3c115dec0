"""`models lab`: mixes of tensor types, searched, kept and applied again."""
