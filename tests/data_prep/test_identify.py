"""Languages: kin of Kazakh are told apart, mixed documents are cut and kept."""

from pathlib import Path

import pytest

from data_prep.identify import Identify
from kishi.identification import is_foreign
from recipes.schema_data import Filters
from tests.data_prep.documents import document, evidence

KAZAKH = "Көктемде дала көгеріп, құстар жылы жақтан қайтып келеді, ал балалар далаға шығып ойнайды."
RUSSIAN = "Весной степь зеленеет, птицы возвращаются с юга, а дети весь день играют на улице."


@pytest.mark.parametrize(
    ("own", "text", "found"),
    [
        ("kk", KAZAKH, None),
        ("kk", RUSSIAN, "ru"),
        ("ru", KAZAKH, "kk"),
        ("kk", "Кыргызстандын тоолору бийик жана кооз, жайкысын малчылар жайлоого көчүп чыгышат.", "kir"),
        ("kk", "Татарстанның башкаласы Казан шәһәре бик матур һәм борынгы шәһәр булып санала.", "tat"),
        ("kk", "Башҡортостандың баш ҡалаһы Өфө ҡалаһы бик матур һәм ҙур ҡала.", "bak"),
        ("kk", "The spring steppe is green and the birds come back from the south.", "en"),
        ("ru", "компилируемые данные локали добавляются в файл архива", None),  # nearest to Bulgarian
        ("ru", "Дипломатический ранг - Чрезвычайный и Полномочный Посол.", None),  # nearest to Mari
        ("kk", "Геологиялық, геоморфологиялық ландшафты типті ескерткіш.", None),  # nearest to Kyrgyz
        ("ru", "Интеграция с Dynamics 365 Project Service Automation v2.x", None),  # names of products
        ("ru", "[Просмотр наличия товаров](../../inventory-how-availability-overview.md)", None),  # an address
        ("kk", "Атты қамшыменен айдама.", None),  # too short to tell
    ],
)
def test_foreign_lines(own: str, text: str, found: str | None) -> None:
    assert is_foreign(text, own, 1.0) == found


def _identify(folder: Path, text: str, lang: str) -> tuple[str, str] | None:
    record = evidence(folder)
    result = Identify(folder, ("kk", "ru", "en"), Filters()).apply(document("a", text, lang), record)
    return (result.metadata["lang"], result.text) if result else None


def test_a_mixed_document_is_cut_and_kept(tmp_path: Path) -> None:
    mixed = "\n".join([KAZAKH, RUSSIAN, "2024", RUSSIAN, KAZAKH])
    assert _identify(tmp_path, mixed, "kk") == ("kk", f"{KAZAKH}\n{KAZAKH}")
    assert _identify(tmp_path, "\n".join([KAZAKH, RUSSIAN, RUSSIAN, RUSSIAN, KAZAKH]), "kk") == ("kk", f"{KAZAKH}\n{KAZAKH}")


def test_language_is_found_where_none_is_given_and_others_go(tmp_path: Path) -> None:
    assert _identify(tmp_path, f"{RUSSIAN}\n{KAZAKH}\n{KAZAKH}", "") == ("kk", f"{KAZAKH}\n{KAZAKH}")
    assert _identify(tmp_path, RUSSIAN, "kk") is None
    assert _identify(tmp_path, "Dieser Absatz stammt aus einem anderen Dokument und gehört nicht hierher.", "") is None


def test_short_lines_do_not_save_a_foreign_document(tmp_path: Path) -> None:
    short = "\n".join(f"Весной степь {n}" for n in range(20))
    assert _identify(tmp_path, f"{RUSSIAN}\n{short}\n{RUSSIAN}", "kk") is None
    assert _identify(tmp_path, short, "kk") is None
    assert _identify(tmp_path, short, "ru") == ("ru", short)
