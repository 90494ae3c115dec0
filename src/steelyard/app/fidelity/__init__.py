"""Reference packs: made of a model once, checked against by anybody who has the pack."""
