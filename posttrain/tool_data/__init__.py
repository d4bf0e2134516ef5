"""Makes conversations with function calls from tools, templates and pools of values, in Kazakh, Russian and English."""
