"""Every model on the same text and the same questions."""
