"""What the machine does while a run goes on: probes that read, a sampler that keeps the series."""
