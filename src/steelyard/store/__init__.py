"""Where runs are kept: a database that can be rebuilt, and the files that are the truth."""
