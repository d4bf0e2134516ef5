"""Pretraining on Megatron-Core through Megatron-Bridge's own training loop, the same on GPU and CPU."""
