"""One self-contained HTML page about a run, from the manifests and artefacts of its stages."""
