"""From raw sources to a corpus per phase and language, and from that to Megatron indexes."""
