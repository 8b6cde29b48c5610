"""`sdxl plan`: arrivals in, figures out; recommendations that hold when they are played; errors that say what to do."""

import io
import json
from functools import partial

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from sdxl import console
from sdxl.cli import COMMANDS, app
from sdxl.errors import UsageError
from sdxl.plan import arrivals
from sdxl.plan.arrivals import MONDAY, parsed_curve, parsed_rate, read_arrivals
from sdxl.project import ROOT

run = partial(CliRunner().invoke, app)
OPEN_HOUR = 2.03
# A day with a night: more than one instance is needed for six hours only.
CURVE = ",".join(["20"] * 9 + ["900"] * 6 + ["20"] * 9)
FILE = """account: "111122223333"
region: us-east-1
model: {source: %s}
"""
BEDROCK = """account: "111122223333"
region: us-west-2
model: {source: bedrock, model_id: "stability.stable-image-core-v1:1"}
"""
SCALING = """scaling:
  min_capacity: 1
  max_capacity: 4
  target: {metric: concurrent_requests, target: 1}
  schedules:
    - {name: morning, schedule: "cron(0 8 * * ? *)", timezone: Europe/Berlin, min_capacity: 2}
    - {name: evening, schedule: "cron(0 18 * * ? *)", timezone: Europe/Berlin, min_capacity: 1}
    - {name: once, schedule: "at(2030-01-01T00:00:00)", timezone: Europe/Berlin, min_capacity: 1}
"""


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "dev.yaml").write_text(FILE % "open")
    (tmp_path / "prod.yaml").write_text(FILE % "optimized" + SCALING)
    (tmp_path / "bedrock.yaml").write_text(BEDROCK)
    return tmp_path


@pytest.fixture
def play(directory):
    def play(*arguments):
        return run(["plan", "--dir", str(directory), "--seconds-per-image", "9.4", *arguments])

    return play


def figures(text: str) -> dict[str, list[str]]:
    lines = [line.split("\t") for line in text.partition("\n\n")[0].splitlines()]
    return {line[0]: line[1:] for line in lines}


# Figures


def test_a_plan_has_waits_failures_utilisation_and_cost(play):
    done = play("--env", "dev", "--rate", "60/h")

    assert done.exit_code == 0
    table = figures(done.stdout)
    assert list(table) == [
        "figure",
        "mode",
        "min to max capacity",
        "metric",
        "target",
        "requests",
        "failed",
        "failed: timed out",
        "wait until drawing, p50, s",
        "wait until drawing, p95, s",
        "wait until drawing, p99, s",
        "image there after, p50, s",
        "image there after, p95, s",
        "image there after, p99, s",
        "utilisation",
        "instances, mean and most",
        "USD a day",
        "USD per 1,000 images",
    ]
    assert table["min to max capacity"] == ["1 to 1"]
    assert table["USD a day"] == [f"{24 * OPEN_HOUR:.2f}"]
    # 60 x 9.4 s in 3600 s, give or take what chance brings.
    assert table["utilisation"][0] in {"15 %", "16 %", "17 %"}
    assert "note: a new instance draws after 10 minutes (--startup-minutes)." in done.stderr


def test_the_same_seed_prints_the_same(play):
    first, again, other = (play("--env", "dev", "--rate", "200/h", "--seed", seed).stdout for seed in "778")

    assert first == again
    assert first != other


def test_json_has_every_figure_and_the_time_of_day(play):
    content = json.loads(play("--env", "prod", "--curve", CURVE, "--days", "2", "--json").stdout)

    assert content["environment"] == "prod"
    assert content["instance_type"] == "ml.g5.2xlarge"
    assert content["timezone"] == "Europe/Berlin"
    assert content["recommended"] is None
    played = content["played"]
    assert played["days"] == 2
    assert played["target"] == {"metric": "concurrent_requests", "target": 1}
    assert played["cost_per_day"]["bound"] == "at least"
    assert len(played["timeline"]) == 96
    assert sum(one["requests"] for one in played["timeline"]) == played["requests"]
    assert sum(one["failed"] for one in played["timeline"]) == played["failed"] == sum(played["failures"].values())
    assert {"p50", "p95", "p99"} == set(played["wait_seconds"])
    # Two instances from 8:00, in service ten minutes later.
    assert played["timeline"][2 * 9]["instances"] >= 2


def test_notes_say_what_is_not_in_the_figures(play):
    done = play("--env", "prod", "--rate", "10/h", "--days", "1")

    assert "the schedule once (at(2030-01-01T00:00:00)) is not played: it comes once, not every week" in done.stderr
    assert "the software charge of the Marketplace listing comes on top" in done.stderr


def test_images_that_take_longer_than_a_call_all_fail_and_the_note_says_why(play):
    done = play("--env", "dev", "--rate", "10/h", "--days", "1", "--seconds-per-image", "40")

    table = figures(done.stdout)
    assert table["failed"] == ["100.0 %"]
    assert table["failed: timed out"] == table["requests"]
    assert table["wait until drawing, p50, s"] == ["failed"]
    assert table["USD per 1,000 images"] == ["-"]
    assert "takes longer than the 27 s that the API leaves the model" in done.stderr


def test_a_share_of_the_requests_comes_to_a_variant(directory, play):
    variants = "endpoint: {variants: [{name: next, model: {source: open}, weight: 3}]}\n"
    (directory / "ab.yaml").write_text(FILE % "open" + variants)

    first = json.loads(play("--env", "ab", "--rate", "1000/h", "--days", "1", "--json").stdout)
    second = json.loads(play("--env", "ab", "--rate", "1000/h", "--days", "1", "--variant", "next", "--json").stdout)

    assert first["played"]["requests"] == pytest.approx(6000, rel=0.05)
    assert second["played"]["requests"] == pytest.approx(18000, rel=0.05)
    assert any("not played and not in the cost: next" in note for note in first["notes"])


def test_least_outstanding_routing_fails_less(play):
    arguments = ("--env", "prod", "--rate", "500/h", "--json")
    random, least = (json.loads(play(*arguments, "--routing", one).stdout) for one in ("random", "least-outstanding"))

    assert least["played"]["failed"] < random["played"]["failed"] / 2


def test_another_mode_can_be_played(play):
    content = json.loads(
        play("--env", "prod", "--rate", "100/h", "--days", "1", "--mode", "asynchronous", "--json").stdout
    )

    assert content["played"]["mode"] == "asynchronous"
    assert content["played"]["target"] == {"metric": "backlog_per_instance", "target": 5}
    assert content["played"]["failed"] == 0


# On a terminal


@pytest.fixture
def screen(monkeypatch):
    def screen(encoding="utf-8"):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(console, "results", lambda: terminal)
        monkeypatch.setattr("sdxl.commands.plan.results", lambda: terminal)
        terminal = Console(file=file, force_terminal=True, width=80, soft_wrap=True, highlight=False, markup=False)

        def lines():
            file.flush()
            text = file.buffer.getvalue().decode(encoding)
            return text.replace("\x1b[1m", "").replace("\x1b[0m", "").split("\n")

        return lines

    return screen


@pytest.mark.parametrize(
    ("days", "search"), [("1", []), ("7", []), ("30", []), ("1", ["--recommend", "--p95", "10"])], ids=str
)
def test_a_terminal_of_80_columns_shows_table_and_picture(screen, play, search, days):
    lines = screen()
    assert play("--env", "prod", "--curve", CURVE, "--days", days, *search).exit_code == 0

    assert max(map(len, lines())) <= 80
    text = "\n".join(lines())
    assert "█" in text
    assert [line for line in lines() if line.startswith("    recommended")] == []
    assert "Monday 00:00 Europe/Berlin" in text
    assert "requests/h" in text
    assert ("06" if days == "1" else "Tue") in text


def test_the_picture_shows_when_instances_are_there_and_when_requests_fail(screen, play):
    lines = screen()
    play("--env", "dev", "--curve", CURVE, "--days", "1")

    rows = [line for line in lines() if "requests/h" in line or "p95 wait s" in line]
    requests, waits = (row[13:] for row in rows)
    # Two characters an hour: nothing until 9:00, everything from 9:00 to 15:00.
    assert requests.strip() == "█" * 12
    assert waits[18:30] == "x" * 12
    assert "x: more than 5 % of the requests of that time failed" in "\n".join(lines())


def test_a_terminal_without_block_characters_gets_ascii(screen, play):
    lines = screen("ascii")
    assert play("--env", "dev", "--rate", "60/h", "--days", "1").exit_code == 0

    assert "####" in "\n".join(lines())


# Recommendations


def settings(text: str) -> dict:
    return yaml.safe_load(text.split("\n\n")[1])


def test_a_recommendation_keeps_the_wait_when_it_is_played(directory, play):
    arguments = ("--curve", CURVE, "--days", "1", "--startup-minutes", "5")
    done = play("--env", "dev", *arguments, "--recommend", "--p95", "10")
    assert done.exit_code == 0
    recommended = figures(done.stdout)
    assert recommended["figure"] == ["the file", "recommended"]

    (directory / "new.yaml").write_text(FILE % "open" + yaml.safe_dump(settings(done.stdout)))
    played = json.loads(play("--env", "new", *arguments, "--json").stdout)["played"]

    assert played["wait_seconds"]["p95"] <= 10
    assert 100 * played["failed"] / played["requests"] <= 1
    assert recommended["USD a day"][1] == f"{played['cost_per_day']['usd']:.2f}"


def test_a_recommendation_costs_no_more_than_the_cheapest_fixed_number(directory, play):
    arguments = ("--curve", CURVE, "--days", "1", "--startup-minutes", "5")
    cheapest = None
    for count in range(1, 12):
        (directory / "fixed.yaml").write_text(FILE % "open" + f"endpoint: {{instance_count: {count}}}\n")
        played = json.loads(play("--env", "fixed", *arguments, "--json").stdout)["played"]
        p95 = played["wait_seconds"]["p95"]
        if p95 is not None and p95 <= 10 and played["failed"] <= played["requests"] / 100:
            cheapest = played
            break
    assert cheapest is not None

    content = json.loads(play("--env", "dev", *arguments, "--recommend", "--p95", "10", "--json").stdout)

    assert content["recommended"]["cost_per_day"]["usd"] < 0.9 * cheapest["cost_per_day"]["usd"]
    assert content["recommended"]["target"] is not None


def test_the_recommendation_takes_no_more_instances_than_it_may(play):
    done = play("--env", "dev", "--rate", "1000/h", "--days", "1", "--recommend", "--p95", "5", "--max-instances", "2")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert "No scaling of up to 2 instances keeps 95 % of the waits within 5 s" in done.stderr
    assert "The closest: real-time, " in done.stderr
    assert "Raise --max-instances, --p95 or --max-failed" in done.stderr


def test_a_recommendation_leaves_schedules_out_and_says_so(play):
    done = play("--env", "prod", "--rate", "30/h", "--days", "1", "--recommend", "--p95", "15")

    assert done.exit_code == 0
    assert "schedules" not in done.stdout
    assert "the recommendation was played without the file's schedules" in done.stderr


def test_modes_are_searched_together(play):
    arguments = ("--env", "dev", "--rate", "3/day", "--days", "7", "--recommend", "--p95", "1200", "--json")
    both = json.loads(play(*arguments, "--mode", "real-time", "--mode", "asynchronous").stdout)["recommended"]
    alone = json.loads(play(*arguments).stdout)["recommended"]

    assert alone["mode"] == "real-time"
    assert alone["cost_per_day"]["usd"] == pytest.approx(24 * OPEN_HOUR)
    assert (both["mode"], both["min_capacity"], both["max_capacity"]) == ("asynchronous", 0, 1)
    assert both["cost_per_day"]["usd"] < alone["cost_per_day"]["usd"] / 5


def test_another_mode_than_the_files_is_among_the_settings(play):
    done = play("--env", "dev", "--rate", "3/day", "--recommend", "--p95", "1200", "--mode", "asynchronous")

    assert done.exit_code == 0
    assert "endpoint:\n  mode: asynchronous\nscaling:\n  min_capacity: 0\n" in done.stdout
    assert "metric: backlog_per_instance" in done.stdout


# Arrivals


@pytest.mark.parametrize(
    ("text", "per_hour"), [("120/h", 120), ("2/min", 120), ("0.5/s", 1800), ("24 / day", 1), ("0/h", 0)]
)
def test_a_rate_has_a_unit(text, per_hour):
    assert parsed_rate(text) * 3600 == pytest.approx(per_hour)


def test_a_curve_is_24_or_168_numbers_in_an_argument_or_a_file(tmp_path):
    day = tmp_path / "day.txt"
    day.write_text("\n".join(str(hour) for hour in range(24)) + "\n")
    assert parsed_curve(str(day)) == tuple(range(24))
    assert parsed_curve("1 " * 24) == (1,) * 24
    assert parsed_curve(", ".join(["2.5"] * 168)) == (2.5,) * 168


@pytest.mark.parametrize(
    ("content", "times", "start"),
    [
        ("0.5\n86401\n3\n", [0.5, 3, 86401], MONDAY),
        ("time,prompt\n2026-12-01T09:00:00,a fox\n2026-12-01T08:00:00.5,an owl\n", [28800.5, 32400], MONDAY + 1440),
        # 07:00 in UTC is 08:00 in Berlin.
        ("id,time\n1,2026-12-06T07:00:00Z\n", [28800], 0),
        # Unix time: 2026-12-05T00:00:00 in Berlin, a Saturday.
        ("1796425200\n\n1796425260\n", [0, 60], 6 * 1440),
    ],
    ids=["seconds", "local", "offset", "unix"],
)
def test_a_file_of_times_starts_at_midnight_of_its_first_day(tmp_path, content, times, start):
    path = tmp_path / "times.csv"
    path.write_text(content)
    found = read_arrivals(path, "Europe/Berlin")
    assert list(found.times) == times
    assert found.start_minute == start
    assert found.days == int(times[-1] // 86400) + 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("1\nsoon\n", "times.csv:2: received 'soon'. Allowed are ISO 8601"),
        ("2026-13-01\n", "times.csv:1: received '2026-13-01'. Allowed are ISO 8601"),
        ("1\n-2\n", "times.csv:2: received '-2'"),
        ("1\nnan\n", "times.csv:2: received 'nan'"),
        ("1\n2026-12-01T00:00:00\n", "times.csv:2: received '2026-12-01T00:00:00'. Allowed are dates in every line"),
        ("", "has no time. Allowed is one time in each line"),
        ("time\n", "has no time"),
        ("0\n99999999\n", "has times over 1158 days. Allowed are 366"),
        ("a,time\n1\n", "times.csv:2: received ''"),
    ],
)
def test_a_wrong_file_of_times_is_named_with_its_line(tmp_path, content, text):
    path = tmp_path / "times.csv"
    path.write_text(content)
    with pytest.raises(UsageError) as error:
        read_arrivals(path, "UTC")
    assert text in str(error.value)


def test_a_file_of_more_times_than_are_played_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(arrivals, "MOST_ARRIVALS", 2)
    path = tmp_path / "times.csv"
    path.write_text("1\n2\n3\n")
    with pytest.raises(UsageError, match="more than 2 lines"):
        read_arrivals(path, "UTC")


def test_a_file_of_times_is_played(directory, play):
    (directory / "times.csv").write_text("time\n2026-11-30T10:00:00\n2026-11-30T10:00:01\n")
    played = json.loads(play("--env", "dev", "--arrivals", str(directory / "times.csv"), "--json").stdout)["played"]

    assert (played["requests"], played["days"]) == (2, 1)
    assert played["wait_seconds"] == {"p50": 0, "p95": 8.4, "p99": 8.4}


# Errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Received no arrivals. Allowed is one of --rate N/h, --curve FILE and --arrivals FILE.csv"),
        (["--rate", "1/h", "--curve", CURVE], "Received --rate and --curve. Allowed is one of"),
        (["--rate", "120"], "--rate: received '120'. Allowed is a number from 0 and a unit"),
        (["--rate", "-1/h"], "--rate: received '-1/h'"),
        (["--rate", "9999999/h"], "Allowed are 5,000,000. Play fewer days, or a lower rate"),
        (["--curve", "1,2,3"], "--curve: received 3 numbers. Allowed are 24"),
        (["--curve", "nowhere.txt"], "--curve: received 'nowhere.txt', which cannot be read: No such file"),
        (["--arrivals", "nowhere.csv"], "--arrivals: received 'nowhere.csv', which cannot be read: No such file"),
        (["--rate", "1/h", "--days", "0"], "--days: received 0. Allowed are numbers from 1 to 366"),
        (["--rate", "1/h", "--variation", "-1"], "--variation: received -1. Allowed are numbers from 0 to 3"),
        (["--rate", "1/h", "--variation", "nan"], "--variation: received nan. Allowed are numbers from 0 to 3"),
        (["--rate", "1/h", "--startup-minutes", "-1"], "--startup-minutes: received -1"),
        (["--rate", "1/h", "--metric-delay", "-1"], "--metric-delay: received -1"),
        (["--rate", "1/h", "--max-instances", "0", "--recommend", "--p95", "1"], "--max-instances: received 0"),
        (["--rate", "1/h", "--recommend"], "--recommend needs a wait to keep: add --p95 S"),
        (["--rate", "1/h", "--p95", "3"], "--p95: received without --recommend"),
        (
            ["--rate", "1/h", "--seconds-per-image", "0"],
            "--seconds-per-image: received '0'. Allowed are a number above 0",
        ),
        (
            ["--rate", "1/h", "--mode", "batch"],
            "--mode: received 'batch'. Allowed are real-time, asynchronous, components",
        ),
        (["--rate", "1/h", "--mode", "real-time", "--mode", "components"], "--mode: received 2 modes. Allowed is one"),
        (["--rate", "1/h", "--variant", "next"], "--variant: received 'next'. Allowed in dev is primary"),
        (["--rate", "1/h", "--env", "porduction"], "there is no environment 'porduction'"),
        (["--rate", "1/h", "--env", "bedrock"], "whose model is Bedrock's: it has no instances to scale"),
        (
            ["--rate", "1/h", "--env", "prod", "--mode", "components"],
            "the model source of prod is 'optimized'. Allowed is",
        ),
    ],
)
def test_wrong_arguments_say_what_is_allowed(play, arguments, text):
    environment = [] if "--env" in arguments else ["--env", "dev"]
    done = play(*environment, *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert text in " ".join(done.stderr.split())


def test_days_do_not_go_with_a_file_of_times(directory, play):
    (directory / "times.csv").write_text("1\n")
    done = play("--env", "dev", "--arrivals", str(directory / "times.csv"), "--days", "3")
    assert done.exit_code == 2
    assert "--days: received with --arrivals" in done.stderr


def test_without_a_measured_time_the_error_says_how_to_give_one(directory):
    done = run(["plan", "--dir", str(directory), "--env", "dev", "--rate", "1/h"])
    assert done.exit_code == 2
    assert "--seconds-per-image" in done.stderr
    assert "as you measured it on one ml.g5.4xlarge, or the word 'published'" in done.stderr


def test_the_page_names_every_option():
    page = (ROOT / "docs" / "plan.md").read_text()
    options = {option for parameter in COMMANDS["plan"].load().params for option in parameter.opts} - {"--help"}
    assert len(options) > 15
    assert [option for option in sorted(options) if f"`{option}" not in page] == []


def test_help_fits_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, run(["plan", "--help"]).stdout.splitlines())) <= 80
