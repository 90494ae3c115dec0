"""What the pictures of the family `vision` show, each kind in a file of its own."""
