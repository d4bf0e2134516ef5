"""Side-by-side benchmarks; their records are in `bench/records/`."""
