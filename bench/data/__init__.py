"""Speed of data preparation."""
