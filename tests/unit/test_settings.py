"""The operator hears of every mistake at once, and never sees a secret printed."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.crypto import KeyRing, new_key
from workers.errors import SettingsError
from workers.settings import Settings, ensure_secrets, known_secrets, load_settings

KEYS = f"k1:{base64.b64encode(new_key()).decode()}"
LIVE = {
    "CLOSELOOP_MODE": "live",
    "CLOSELOOP_SMTP_URL": "smtp://u:p@relay.example.org:587?tls=start",
    "CLOSELOOP_MAIL_FROM": "help@example.org",
    "CLOSELOOP_PUBLIC_URL": "https://help.example.org",
}


def load(tmp_path: Path, **settings: str) -> Settings:
    environ = {"CLOSELOOP_SECRET_KEYS": KEYS} | {f"CLOSELOOP_{k}": v for k, v in settings.items()}
    return load_settings(environ, tmp_path)


def mistakes(tmp_path: Path, **settings: str) -> list[str]:
    with pytest.raises(SettingsError) as complaint:
        load(tmp_path, **settings)
    return complaint.value.message.splitlines()


def test_with_nothing_but_keys_a_small_team_can_start(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/closeloop.db"
    assert settings.broker_url == ""
    assert settings.mode == "test"
    assert settings.policy == "support-response"
    assert (settings.timezone, settings.locale) == ("Asia/Shanghai", "zh_CN")
    assert settings.mail_from == "support@closeloop.localhost"
    assert settings.mail_domain == "closeloop.localhost"
    assert settings.clock_speed == 1.0
    assert isinstance(settings.secret_keys, KeyRing)


def test_values_are_read_as_what_they_mean(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        DATABASE_URL="postgresql://u:p@db/closeloop",
        BROKER_URL="rediss://:p@redis:6380/1",
        SMTP_URL="smtp://a@one.example.org  smtp://two.example.org?tls=none",
        MAIL_FROM="客服中心 <Help@Example.org>",
        PUBLIC_URL="https://help.example.org/",
        STAFF_DOMAINS="Example.org, example.com",
        AUTH_SERVERS="MX.Example.org",
        LOCALE="zh-CN.UTF-8",
        ADMIN="Boss@Example.org",
        CLOCK_SPEED="3600",
    )
    assert settings.database_url == "postgresql+asyncpg://u:p@db/closeloop"
    assert settings.smtp_url == ("smtp://a@one.example.org", "smtp://two.example.org?tls=none")
    assert (settings.mail_from_name, settings.mail_from) == ("客服中心", "Help@Example.org")
    assert settings.mail_domain == "example.org"
    assert settings.public_url == "https://help.example.org"
    assert settings.staff_domains == ("example.org", "example.com")
    assert settings.auth_servers == ("mx.example.org",)
    assert settings.locale == "zh_CN"
    assert settings.admin == "boss@example.org"
    assert settings.clock_speed == 3600


def test_all_mistakes_are_listed_together(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        SECRET_KEYS="k1:AAAA",
        DATABASE_URL="mysql://u@h/d",
        BROKER_URL="memcached://h",
        SMTP_URL="http://relay",
        PUBLIC_URL="help.example.org",
        MAIL_FROM="nobody",
        MODE="production",
        TIMEZONE="Mars/Base",
        LOCALE="fr",
        CLOCK_SPEED="-1",
        HOOK_TOKEN="short",
        ADMIN="boss",
    )
    for name in (
        "SECRET_KEYS", "DATABASE_URL", "BROKER_URL", "SMTP_URL", "PUBLIC_URL", "MAIL_FROM", "MODE",
        "TIMEZONE", "LOCALE", "CLOCK_SPEED", "HOOK_TOKEN", "ADMIN",
    ):  # fmt: skip # packed, to be read at a glance
        assert sum(line.startswith(f"CLOSELOOP_{name} ") for line in found) == 1, (name, found)
    assert len(found) == 12


def test_keys_are_needed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CLOSELOOP_SECRET_KEYS is needed"):
        load_settings({}, tmp_path)


def test_a_misspelt_name_is_noticed_and_the_right_one_suggested(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, DATABSE_URL="sqlite:///x.db")
    assert line == "CLOSELOOP_DATABSE_URL is not a setting; did you mean CLOSELOOP_DATABASE_URL?"


def test_a_database_in_memory_is_refused_because_several_connections_share_it(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, DATABASE_URL="sqlite://")
    assert "needs a file" in line


def test_no_secret_is_shown_by_repr_or_by_a_complaint(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        DATABASE_URL="postgresql://u:hush-db@db/closeloop",
        BROKER_URL="redis://:hush-redis@redis/0",
        SMTP_URL="smtp://u:hush-smtp@relay",
        SMS_URL="twilio://sid:hush-sms@+100",
        IMAP_URL="imaps://u:hush-imap@mail",
        CHAT_URLS="slack://hush-chat",
        HOOK_TOKEN="hush-hook-hush-hook",
        API_KEY="hush-api-hush-api-hush",
    )
    assert "hush" not in repr(settings)
    assert KEYS.split(":")[1] not in repr(settings)
    found = mistakes(
        tmp_path, DATABASE_URL="hush-db hush", BROKER_URL="hush://x", SMTP_URL="hush", IMAP_URL="hush"
    )
    assert len(found) == 4
    assert "hush" not in "".join(found)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "api_key"
    secret.write_text("from-a-mounted-file-0001\n")
    assert load(tmp_path, API_KEY_FILE=str(secret)).api_key == "from-a-mounted-file-0001"


def test_a_secret_file_that_is_missing_or_doubled_is_a_mistake(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, API_KEY_FILE=str(tmp_path / "nowhere"))
    assert line == "CLOSELOOP_API_KEY_FILE cannot be read: No such file or directory"
    secret = tmp_path / "api_key"
    secret.write_text("from-a-mounted-file-0001")
    (line,) = mistakes(tmp_path, API_KEY_FILE=str(secret), API_KEY="given-directly-00000001")
    assert "both set" in line


def test_going_live_needs_a_way_out_a_sender_and_a_public_address(tmp_path: Path) -> None:
    found = mistakes(tmp_path, MODE="live", CLOCK_SPEED="60", CLOCK_START="2025-05-19T09:00+08:00")
    assert [line.split()[0] for line in found] == [
        "CLOSELOOP_SMTP_URL",
        "CLOSELOOP_MAIL_FROM",
        "CLOSELOOP_PUBLIC_URL",
        "CLOSELOOP_CLOCK_SPEED",
        "CLOSELOOP_CLOCK_START",
    ]
    assert load_settings({"CLOSELOOP_SECRET_KEYS": KEYS, **LIVE}, tmp_path).mode == "live"


def test_a_lease_that_no_send_fits_into_is_refused_with_all_other_mistakes(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, LEASE="20", SEND_TIMEOUT="20", LOCALE="xx")
    assert "CLOSELOOP_LEASE must be longer than CLOSELOOP_SEND_TIMEOUT" in str(refusal.value)
    assert "CLOSELOOP_LOCALE" in str(refusal.value)
    with pytest.raises(SettingsError):
        load(tmp_path, LEASE="90 minutes")
    settings = load(tmp_path, LEASE="60", SEND_TIMEOUT="45")
    assert (settings.lease, settings.send_timeout) == (60, 45)


CATCHER = {
    "MODE": "live",
    "MAIL_FROM": "a@example.org",
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "CLOCK_SPEED": "600",
}


def test_a_demonstration_may_hurry_in_live_mode_because_nothing_leaves_the_machine(tmp_path: Path) -> None:
    sms = "twilio://AC1:token@/+15550100?api=http://127.0.0.1:9"
    settings = load(tmp_path, **CATCHER, SMTP_URL="smtp://127.0.0.1:2525?tls=none", SMS_URL=sms)
    assert (settings.mode, settings.clock_speed) == ("live", 600)


@pytest.mark.parametrize(
    "ways_out",
    [
        {"SMTP_URL": "smtp://127.0.0.1:2525 smtp://relay.example.org"},
        {"SMTP_URL": "smtp://localhost:2525", "SMS_URL": "twilio://AC1:token@/+15550100"},
        {"SMTP_URL": "smtp://localhost:2525", "CHAT_URLS": "slack://a/b/c"},
    ],
)
def test_no_outsider_is_written_to_by_a_hasty_clock(tmp_path: Path, ways_out: dict[str, str]) -> None:
    assert mistakes(tmp_path, **CATCHER, **ways_out) == ["CLOSELOOP_CLOCK_SPEED must stay 1 in live mode"]


def test_the_start_of_the_clock_is_a_moment_and_if_wanted_the_machines_time_of_it(tmp_path: Path) -> None:
    monday = datetime(2025, 5, 19, 1, 0, tzinfo=UTC)
    assert load(tmp_path, CLOCK_START="2025-05-19T09:00+08:00").clock_start == (monday, None)
    assert load(tmp_path, CLOCK_START="2025-05-19T01:00Z@1716080400.5").clock_start == (monday, 1716080400.5)
    for wrong in ("2025-05-19T09:00", "monday", "2025-05-19T01:00Z@soon"):
        (line,) = mistakes(tmp_path, CLOCK_START=wrong)
        assert line.startswith("CLOSELOOP_CLOCK_START must look like"), wrong


def test_secrets_of_an_installation_are_found_again_without_making_any(tmp_path: Path) -> None:
    assert known_secrets(tmp_path) == {}
    made = ensure_secrets(tmp_path)
    assert known_secrets(tmp_path) == made


def test_lacking_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    made = ensure_secrets(data)
    assert set(made) == {"CLOSELOOP_SECRET_KEYS", "CLOSELOOP_HOOK_TOKEN", "CLOSELOOP_API_KEY"}
    assert stat.S_IMODE((data / "secrets.env").stat().st_mode) == 0o600
    assert ensure_secrets(data) == made
    assert load_settings(made, data).hook_token == made["CLOSELOOP_HOOK_TOKEN"]


def test_secrets_that_are_there_are_kept_and_only_the_rest_is_made(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("CLOSELOOP_API_KEY=chosen-by-the-operator")
    path.chmod(0o644)
    made = ensure_secrets(tmp_path)
    assert made["CLOSELOOP_API_KEY"] == "chosen-by-the-operator"
    assert len(made) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_secrets(tmp_path) == made


def test_two_processes_that_start_at_once_share_their_secrets(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starters:
        made = list(starters.map(ensure_secrets, [tmp_path] * 8))
    assert all(each == made[0] for each in made)


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be kept"):
        ensure_secrets(tmp_path / "file")


@pytest.mark.parametrize(
    "url",
    [
        "redis://one:6379/0",
        "rediss://user:word@one/2",
        "sentinel://one/mymaster",
        "sentinel://:word@one:26379,[::1]:26380/my.master/3?sentinel_password=other",
        "amqp://guest:word@one:5672/%2f",
        "amqps://one/vhost amqps://two/vhost",
    ],
)
def test_a_broker_may_be_redis_redis_behind_sentinel_or_rabbitmq(url: str, tmp_path: Path) -> None:
    settings = load(tmp_path, BROKER_URL=url)
    assert settings.broker_url == url
    assert "word" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "url", "wrong"),
    [
        ("BROKER_URL", "memcached://one", "must begin with redis://"),
        ("BROKER_URL", "sentinel://one:26379", "must name the service"),
        ("BROKER_URL", "sentinel://one:99999/mymaster", "not host:port"),
        ("BROKER_URL", "sentinel://one,,two/mymaster", "not host:port"),
        ("BROKER_URL", "sentinel://one/mymaster/first", "a database that is no number"),
        ("BROKER_URL", "sentinel://:hush@one/mymaster?quorum=2", "unknown option quorum"),
        ("BROKER_URL", "amqp://one redis://two", "several nodes the same way"),
        ("BROKER_URL", "redis://", "must name a host"),
        ("LIMITS_URL", "amqp://one", "must begin with redis://"),
    ],
)
def test_a_broker_that_cannot_be_meant_is_refused_without_its_password(
    name: str, url: str, wrong: str, tmp_path: Path
) -> None:
    (said,) = mistakes(tmp_path, **{name: url})
    assert f"CLOSELOOP_{name}" in said
    assert wrong in said
    assert "hush" not in said
