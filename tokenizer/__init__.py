"""The tokenizer: trained from the corpus, with its chat template, and measured per language."""
