"""What was measured: kept, listed, compared, exported, and used to foresee."""
