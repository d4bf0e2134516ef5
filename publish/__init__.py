"""Uploads a finished run to the Hugging Face hub, after gates."""
