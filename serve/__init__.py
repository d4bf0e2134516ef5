"""Talking with the finished model."""
