"""The database's history, one file a step; `store.migrate` runs it from the program."""
