"""`models frontier`: the best quality that fits, as measured."""
