"""Text to its clean form: one line in, one line out, no document is ever lost here."""

import html
import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\u00ad]")
_BLOCKS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BREAKS = re.compile(r"</(p|div|li|h[1-6]|tr)\s*>|<br\s*/?>", re.IGNORECASE)
_TAGS = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>")
_SPACES = re.compile(r"(?<=\S)[ \t\u00a0]+")  # not before the first letter of a line: code keeps its indent
_BLANK_LINES = re.compile(r"\n{3,}")
# Lines that pages repeat around their text: navigation, sharing, rights. Short lines only, so that prose about them stays.
_BOILERPLATE = re.compile(
    r"(all rights reserved|барлық құқықтар|все права защищены|share this|поделиться:|бөлісіңіз:|cookie"
    r"|^[^.!?]{1,40}( \| [^.!?|]{1,40}){2,}$)",
    re.IGNORECASE,
)
_MASKS = (
    (re.compile(r"\b[\w.+-]+@[\w-]+(\.[\w-]+)+\b"), "[email]"),
    (re.compile(r"(?<!\d)\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}(?!\d)"), "[card]"),
    (re.compile(r"(?<!\d)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{6}(?!\d)"), "[iin]"),
    (re.compile(r"(?<![\d\w])(\+7|8)[ (-]*7?\d{2,3}[ )-]*\d{3}[ -]*\d{2}[ -]*\d{2}(?!\d)"), "[phone]"),
)


def normalise(text: str) -> str:
    """Repair, strip, compose (NFC), mask. Applying it twice changes nothing more."""
    for _ in range(4):  # unescaping can uncover tags, and dropping lines can join blank ones: until nothing changes
        before = text
        text = _once(text)
        if text == before:
            break
    return text


def _once(text: str) -> str:
    text = repair_encoding(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = strip_markup(text)
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text))
    lines = [_SPACES.sub(" ", line).rstrip() for line in text.split("\n")]
    text = "\n".join(line for line in lines if not is_boilerplate(line))
    return mask_personal_data(_BLANK_LINES.sub("\n\n", text).strip())


def repair_encoding(text: str) -> str:
    """Undo UTF-8 that was read as Latin-1, when the result is valid and has fewer odd letters."""
    if not any("\x80" <= letter <= "\xff" for letter in text):
        return text
    try:
        repaired = text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
    return repaired


def strip_markup(text: str) -> str:
    """HTML to text: scripts out, block ends to line breaks, tags out, entities to letters."""
    if "<" in text:
        text = _BREAKS.sub("\n\n", _BLOCKS.sub("", text))
        text = _TAGS.sub("", text)
    return html.unescape(text) if "&" in text else text


def is_boilerplate(line: str) -> bool:
    """A short line that frames pages rather than says something."""
    return len(line) < 120 and (line == "»" or bool(_BOILERPLATE.search(line)))


def mask_personal_data(text: str) -> str:
    """E-mail addresses, phone, card and individual identification numbers (IIN, 12 digits with a valid date) to placeholders."""
    for pattern, placeholder in _MASKS:
        text = pattern.sub(placeholder, text)
    return text
