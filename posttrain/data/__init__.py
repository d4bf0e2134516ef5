"""The chat-data stage: conversations, preference pairs and tool calls from many places, checked, deduplicated, split and described."""
