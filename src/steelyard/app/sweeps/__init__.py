"""What a sweep is asked for, planned, fetched, worked and reported."""
