"""Smaller forms of the finished model, each checked against the one it was made from."""
