"""What is trained: one YAML is one whole run. `schema` says what a recipe may hold, `run` is the only entry point."""
