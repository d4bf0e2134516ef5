"""A Modelfile beside the GGUF files, from which `ollama create` makes a model.

Ollama does not run the Jinja template in the file but one in Go's language: the template here gives the same turns. It was written from
Ollama's documentation; see docs/known-gaps.md.
"""

from collections.abc import Sequence
from pathlib import Path

from kishi.special_tokens import END_OF_TEXT, TURN_END, TURN_START

_PREFERRED = ("Q4_K_M", "Q5_K_M", "Q8_0")

# `{{ . }}` of a tool and `.Function.Arguments` are JSON there
_TEMPLATE = """{{- if .Tools }}S>system
{{ if .System }}{{ .System }}

{{ end }}You can call these functions. To call one, answer with <tool_call>{"name": ..., "arguments": {...}}</tool_call>.
{{ range .Tools }}{{ . }}
{{ end }}E>
{{ else if .System }}S>system
{{ .System }}E>
{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}S>user
{{ .Content }}E>
{{ else if eq .Role "tool" }}S>tool
<tool_response>{{ .Content }}</tool_response>E>
{{ else if eq .Role "assistant" }}S>assistant
{{ .Content }}
{{- range .ToolCalls }}<tool_call>{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}</tool_call>{{ end }}
{{- if not $last }}E>
{{ end }}
{{- end }}
{{- if and $last (ne .Role "assistant") }}S>assistant
{{ end }}
{{- end }}"""


def render(kind: str, context: int) -> str:
    """For the file of one type; `context`: tokens that the model takes."""
    template = _TEMPLATE.replace("S>", TURN_START).replace("E>", TURN_END)
    lines = [
        "# ollama create kishi -f Modelfile && ollama run kishi      (another type: change the next line)",
        f"FROM ./model-{kind}.gguf",
        f'TEMPLATE """{template}"""',
        *(f'PARAMETER stop "{token}"' for token in (TURN_END, END_OF_TEXT)),
        f"PARAMETER num_ctx {context}",
        "PARAMETER temperature 0.7",
        "PARAMETER top_p 0.9",
    ]
    return "\n".join(lines) + "\n"


def write(folder: Path, types: Sequence[str], context: int) -> None:
    """Of the first preferred type that there is, else of the last."""
    kind = next((kind for kind in _PREFERRED if kind in types), types[-1])
    (folder / "Modelfile").write_text(render(kind, context), encoding="utf-8")
