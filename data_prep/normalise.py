"""Text to its clean form: one line in, one line out, no document is ever lost here."""

import html
import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\u00ad]")
_BLOCKS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BREAKS = re.compile(r"</(p|div|li|h[1-6]|tr)\s*>|<br\s*/?>", re.IGNORECASE)
_NAMES = (
    "a|abbr|article|aside|b|blockquote|body|br|button|center|code|dd|div|dl|dt|em|figcaption|figure|font|footer|form|h[1-6]|head|header|hr"
    "|html|i|iframe|img|input|label|li|link|main|meta|nav|noscript|ol|option|p|pre|s|section|select|small|span|strong|sub|sup|svg|table"
    "|tbody|td|textarea|tfoot|th|thead|title|tr|u|ul|video"
)
# Known names, bare or with attributes: "x <b and c> y" is no tag.
_TAGS = re.compile(rf"</?({_NAMES})(\s[^<>]*=[^<>]*|\s*)/?>", re.IGNORECASE)
_SPACES = re.compile(r"(?<=\S)[ \t\u00a0]+")  # not before the first letter of a line: code keeps its indent
_BLANK_LINES = re.compile(r"\n{3,}")
# Lines that pages repeat around their text: navigation, sharing, rights. Short lines only, so that prose about them stays.
_BOILERPLATE = re.compile(
    r"(all rights reserved|барлық құқықтар|все права защищены|share this|поделиться:|бөлісіңіз:|cookie"
    r"|^[^.!?]{1,40}( \| [^.!?|]{1,40}){2,}$)",
    re.IGNORECASE,
)
_MIN_MOJIBAKE = 4
_MASKS = (
    (re.compile(r"\b[\w.+-]+@[\w-]+(\.[\w-]+)+\b"), "[email]"),
    (re.compile(r"(?<!\d)\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}(?!\d)"), "[card]"),
    (re.compile(r"(?<!\d)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{6}(?!\d)"), "[iin]"),
    (re.compile(r"(?<![\d\w])(\+7|8)[ (-]*7?\d{2,3}[ )-]*\d{3}[ -]*\d{2}[ -]*\d{2}(?!\d)"), "[phone]"),
)


def normalise(text: str) -> str:
    """Repair, strip, compose (NFC), mask. Applying it twice changes nothing more."""
    for _ in range(100):  # unescaping can uncover tags, and dropping lines can join blank ones: until nothing changes
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
    """Undo UTF-8 that was read in a one-byte encoding: the whole text, or else each line on its own."""
    if text.isascii():
        return text
    repaired = _redecode(text)
    return "\n".join(_redecode(line) for line in text.split("\n")) if repaired == text else repaired


def _redecode(text: str) -> str:
    """The text as UTF-8 if all of it can be read so. Honest text practically never can; a few letters may by chance, so they stay."""
    if sum(not letter.isascii() for letter in text) < _MIN_MOJIBAKE:
        return text
    for encoding in ("latin-1", "cp1252", "cp1251"):
        try:
            return b"".join(_byte(letter, encoding) for letter in text).decode("utf-8")
        except UnicodeError:
            continue
    return text


def _byte(letter: str, encoding: str) -> bytes:
    """Bytes that the code page leaves undefined were passed on as C1 controls by the readers that break text."""
    return letter.encode("latin-1" if "\x80" <= letter <= "\x9f" else encoding)


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
