"""From a base model to one that answers: supervised fine-tuning and preference optimisation with TRL."""
