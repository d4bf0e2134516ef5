"""Side-by-side benchmarks. Each writes a record: bench/records/<yyyy-mm-dd>-<name>/."""
