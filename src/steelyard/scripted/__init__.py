"""An engine with known truth: real sockets, planted times, faults and answers, and a truth log."""
