"""Engine profiles: files, the places where they lie, and what an engine is started with."""
