"""Values become words in the language of the reader."""

import pytest
from flask_babel import force_locale

from web.quarters import planned


@pytest.mark.parametrize(
    ("written", "chinese", "english"),
    [
        ("2026年第四季度", "2026 年第 4 季度", "Q4 2026"),
        ("2026年3季度", "2026 年第 3 季度", "Q3 2026"),
        ("2026Q1", "2026 年第 1 季度", "Q1 2026"),
        ("2026-Q2", "2026 年第 2 季度", "Q2 2026"),
        ("2026年Q2", "2026 年第 2 季度", "Q2 2026"),
        ("2026年第3季", "2026 年第 3 季度", "Q3 2026"),
        ("2026年3", "2026年3", "2026年3"),
        ("２０２６Q4", "２０２６Q4", "２０２６Q4"),
        ("2026年底前", "2026年底前", "2026年底前"),
        ("2026年第五季度", "2026年第五季度", "2026年第五季度"),
        ("", "—", "—"),
    ],
)
def test_planned_quarter_is_said_in_the_language_of_the_reader(app, written, chinese, english):
    with app.test_request_context():
        with force_locale("zh"):
            assert planned(written) == chinese
        with force_locale("en"):
            assert planned(written) == english
