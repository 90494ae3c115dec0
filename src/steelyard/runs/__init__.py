"""One RunSpec on this machine: host, verify, warm up, drive, sample, stop, record."""
