"""Schedule expressions and time zones."""

import pytest
from pydantic_core import PydanticCustomError

from stacks.environment.scaling import valid_schedule, valid_timezone

pytestmark = pytest.mark.disable_socket


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 10 * * ? *)",
        "cron(0 18 ? * MON-FRI *)",
        "cron(0/15 * * * ? *)",
        "cron(0 8 1 * ? *)",
        "cron(15 10 ? * 6L 2022-2023)",
        "cron(0 9 L * ? *)",
        "cron(0 9 15W JAN,JUL ? *)",
        "cron(0 9 ? * TUE#2 *)",
        "cron(0,30 8-18/2 ? * 2-6 *)",
        "at(2030-12-24T18:00:00)",
        "rate(1 hour)",
        "rate(5 minutes)",
        "rate(2 days)",
    ],
)
def test_expression_of_application_auto_scaling_is_taken(expression: str) -> None:
    assert valid_schedule(expression) == expression


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "is not a schedule expression"),
        ("every day", "is not a schedule expression"),
        ("cron(0 20 * * ? *) ", "is not a schedule expression"),
        ("cron(0 20 * * ?)", "has 5 cron fields"),
        ("cron(60 20 * * ? *)", "'60' is not valid for minutes"),
        ("cron(0 24 * * ? *)", "'24' is not valid for hours"),
        ("cron(0 0 0 * ? *)", "'0' is not valid for day-of-month"),
        ("cron(0 0 1 13 ? *)", "'13' is not valid for month"),
        ("cron(0 0 ? * 0 *)", "'0' is not valid for day-of-week"),
        ("cron(0 0 ? * FRI-MON *)", "'FRI-MON' is not valid for day-of-week"),
        ("cron(0 0 ? * MON#6 *)", "'MON#6' is not valid for day-of-week"),
        ("cron(0 0 * * ? 1969)", "'1969' is not valid for year"),
        ("cron(*/0 0 * * ? *)", "'*/0' is not valid for minutes"),
        ("cron(1- 0 * * ? *)", "'1-' is not valid for minutes"),
        ("cron(² 0 * * ? *)", "'²' is not valid for minutes"),
        ("cron(? 0 * * ? *)", "'?' is not valid for minutes"),
        ("cron(0 20 * * * *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("cron(0 20 ? * ? *)", "exactly one of day-of-month and day-of-week must be ?"),
        ("at(2030-02-30T00:00:00)", "is not a point in time"),
        ("at(2030-12-24)", "is not a point in time"),
        ("rate(0 hours)", "is not a rate"),
        ("rate(1 week)", "is not a rate"),
    ],
)
def test_expression_that_aws_would_refuse_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        valid_schedule(expression)

    assert reason in caught.value.message()


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/New_York", "Etc/GMT+9"])
def test_time_zone_of_the_iana_database_is_taken(name: str) -> None:
    assert valid_timezone(name) == name


@pytest.mark.parametrize("name", ["", "America", "../etc/passwd", "CEST+2", "europe/berlin/x", "/UTC"])
def test_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(PydanticCustomError, match="is not a time zone"):
        valid_timezone(name)


def test_machine_without_time_zones_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stacks.environment.scaling._timezones", frozenset)

    assert valid_timezone("UTC") == "UTC"
    with pytest.raises(PydanticCustomError, match="no IANA time zone database"):
        valid_timezone("Europe/Berlin")
