"""CLOSELOOP_CHAT_URLS: which groups there are, whose they are, and what is refused without being shown."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from workers.channels.chat.plugin import open_plugin
from workers.errors import SettingsError
from workers.settings.chat import SERVICES, groups_of, parse_chat_urls

EXAMPLES = {
    "feishu": "feishu://3d2f0c1e-6a5b-4a3c-9d1e-hushtoken",
    "lark": "lark://3d2f0c1e-6a5b-4a3c-9d1e-hushtoken",
    "dingtalk": "dingtalk://SEChushsecret@hushtoken0123456789",
    "wecombot": "wecombot://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa",
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#support",
    "workflow": "workflow://prod.example.com:443/643e69ee/hushsignature",
    "workflows": "workflows://prod.example.com:443/643e69ee/hushsignature",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "mmost": "mmost://chat.example.com/3ccdd113474722377935511fc85d3dd4",
    "mmosts": "mmosts://chat.example.com/3ccdd113474722377935511fc85d3dd4?channels=support",
    "rocket": "rocket://user:hushpassword@chat.example.com/#support",
    "rockets": "rockets://8b799edf/hushtoken@chat.example.com/#support",
    "gchat": "gchat://workspace/hushkey/hushtoken",
    "webex": "webex://" + "a" * 80,
    "wxteams": "wxteams://" + "a" * 80,
    "zulip": "zulip://bot@organisation/" + "a" * 32 + "/support",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "line": "line://" + "a" * 60 + "/U1234567",
    "nctalk": "nctalk://user:hushpassword@cloud.example.com/roomid",
    "nctalks": "nctalks://user:hushpassword@cloud.example.com/roomid",
    "synology": "synology://chat.example.com/hushtoken",
    "synologys": "synologys://chat.example.com/hushtoken",
    "flock": "flock://" + "a" * 24,
    "ryver": "ryver://organisation/ckhrjW8w672m6HG",
    "stackfield": "stackfield://a1b2c3d4-0000-1111-2222-333344445555",
    "kook": "kook://1/MTIzNDU=/aaaaaaaaaaaaaaaaaaaaaa==/12345678",
    "chime": "chime://a1b2c3d4-0000-1111-2222-333344445555/hushtoken",
    "groupme": "groupme://a1b2c3d4e5f6a7b8c9d0e1f2a3",
    "zoom": "zoom://webhookid/hushtoken",
    "json": "json://chat.example.com/hush-hook",
    "jsons": "jsons://chat.example.com/hush-hook",
    "form": "form://chat.example.com/hush-hook",
    "forms": "forms://chat.example.com/hush-hook",
}


def test_a_team_has_its_own_groups_and_the_others_share_the_unnamed_ones() -> None:
    groups = parse_chat_urls(
        "feishu://aaa  support=slack://A/B/C\nsupport=json://h/x %E4%BA%8C%20%E7%BA%BF=lark://b"
    )
    assert [group.name for group in groups] == ["everybody#1", "support#1", "support#2", "二 线#1"]
    assert [group.scheme for group in groups_of(groups, "support")] == ["slack", "json"]
    assert [group.scheme for group in groups_of(groups, "二 线")] == ["lark"]
    assert [group.name for group in groups_of(groups, "sales")] == ["everybody#1"]
    assert [group.name for group in groups_of(groups, "")] == ["everybody#1"]
    assert groups_of(parse_chat_urls("support=feishu://aaa"), "sales") == ()
    assert parse_chat_urls("") == ()


def test_an_equals_sign_of_an_option_names_no_team() -> None:
    (group,) = parse_chat_urls("json://h/x?+X-Team=support")
    assert group.team == ""


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("hush", "must look like"),
        ("support=hush", "must look like"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/hush", "is a web address"),
        ("syslog://hush", "is no chat system"),
        ("dbus://hush", "is no chat system"),
        ("exec://hush", "is no chat system"),
        ("file://hush", "is no chat system"),
        ("windows://hush", "is no chat system"),
        ("macosx://hush", "is no chat system"),
        ("mailto://user:hush@example.com", "is no chat system"),
        ("twilio://hush:hush@+1/+2", "is no chat system"),
        ("apprise://hush/token", "is no chat system"),
        ("slack://A/B/C?template=/etc/hush", "must not have template="),
        ("json://[hush", "cannot be read"),
    ],
)
def test_what_is_no_chat_is_refused_and_not_shown(entry: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as told:
        parse_chat_urls(f"feishu://good {entry}")
    assert "(number 2)" in str(told.value)
    assert "hush" not in str(told.value)


def test_an_url_is_not_in_the_repr_of_its_group() -> None:
    assert "hush" not in repr(parse_chat_urls("feishu://hush"))


@pytest.mark.parametrize("scheme", SERVICES)
def test_each_service_is_understood_and_can_be_watched(scheme: str) -> None:
    (group,) = parse_chat_urls(EXAMPLES[scheme])
    plugin = open_plugin(group)
    module = sys.modules[f"apprise.plugins.{SERVICES[scheme]}"]
    assert type(vars(module)["requests"]).__name__ == "Wire", "it would speak past us"
    assert (plugin.retry, plugin.optional, plugin.redirects) == (0, False, False)


def test_an_url_that_the_plug_in_does_not_understand_is_told_by_the_name_of_its_group() -> None:
    (group,) = parse_chat_urls("support=feishu://hush.token!")
    with pytest.raises(SettingsError, match="support#1") as told:
        open_plugin(group)
    assert "hush" not in f"{told.value} {told.value.hint} {told.value.__cause__}"


def test_settings_are_checked_without_loading_apprise_and_a_post_loads_one_plug_in_only() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from workers.settings.chat import parse_chat_urls\n"
            "from workers import boot\n"
            "(group,) = parse_chat_urls('feishu://token')\n"
            "print('apprise' in sys.modules)\n"
            "from workers.channels.chat.plugin import open_plugin\n"
            "open_plugin(group)\n"
            "print(sorted(m for m in sys.modules if m.startswith('apprise.plugins.')))\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split("\n")[:2] == ["False", "['apprise.plugins.base', 'apprise.plugins.feishu']"]


def test_every_plug_in_that_is_named_exists() -> None:
    assert [name for name in set(SERVICES.values()) if find_spec(f"apprise.plugins.{name}") is None] == []
