"""One model in several forms: Megatron checkpoint, Hugging Face folder, GGUF file."""
