"""What the first run asks and says, in the language of the terminal: Chinese or English."""

from __future__ import annotations

import os

WORDS = {
    "how": (
        "Enter keeps what stands in brackets; Ctrl-C leaves everything as it was.",
        "直接回车保留方括号中的值；按 Ctrl-C 则一切保持原样。",
    ),
    "company": ("Company, as customers know it", "公司名称（客户看到的名称）"),
    "mail": ("Support address that customers write to", "客户来信的客服邮箱"),
    "admin": ("Your own mail address (the administrator)", "您本人的邮箱（管理员）"),
    "admin_name": ("Your name", "您的姓名"),
    "admin_name_again": ("Your name; empty: as it is", "您的姓名（留空：不变）"),
    "timezone": ("Time zone", "时区"),
    "locale": ("Language of mails and pages: zh_CN or en", "邮件和页面的语言：zh_CN 或 en"),
    "public_url": (
        "Where people will reach the pages, https://…; empty: only on this machine for now",
        "页面的访问地址 https://…（留空：暂时只在本机）",
    ),
    "way": (
        "Mail comes in by imap (fetched), forward (to our SMTP port), webhook, or none yet",
        "来信方式：imap（收取邮箱）、forward（转发到本机 SMTP 端口）、webhook，或 none（暂无）",
    ),
    "listen": ("Listen at HOST:PORT", "监听地址 HOST:PORT"),
    "imap_change": ("Change the mailbox?", "更换邮箱？"),
    "imap_host": (
        "IMAP server, or the whole URL imaps://user:code@host/INBOX",
        "IMAP 服务器，或完整地址 imaps://user:code@host/INBOX",
    ),
    "imap_user": ("Login", "登录名"),
    "code": ("Password or authorization code 授权码 (not shown)", "密码或授权码（不显示）"),
    "since": (
        "Fetch mails from which day on (2026-05-20, yesterday, 7d; empty: only new ones)",
        "从哪一天的邮件开始收取（2026-05-20、yesterday、7d；留空：只收新邮件）",
    ),
    "relay_change": ("Change the relay?", "更换发信服务器？"),
    "relay": (
        "Relay (SMTP server) that mails leave by, or the whole URL smtp://…; empty: none yet",
        "发信服务器（SMTP），或完整地址 smtp://…（留空：暂无）",
    ),
    "relay_port": ("Port", "端口"),
    "relay_user": ("Login; - for none", "登录名（- 表示无需登录）"),
    "again": ("Enter it again? (n leaves it as it was)", "重新填写？（n：保持原样）"),
    "chat": ("Chat group (feishu://TOKEN …; empty: none)", "群机器人（feishu://TOKEN …；留空：无）"),
    "kept": ("kept", "保留"),
    "policy": ("Policy", "时效策略"),
    "policy_title": ("policy", "策略"),
    "urgent": ("urgent", "紧急"),
    "high": ("high", "高"),
    "medium": ("medium", "中"),
    "low": ("low", "低"),
    "policy_legend": (
        "first response / plan (or resolution); wd: working days. A TOML file of your own goes, too.",
        "首次响应 / 处理方案（或解决）；m 分钟，h 小时，wd 工作日。也可填写自备的 TOML 文件。",
    ),
    "staff": (
        "Staff: a CSV file with 工号,姓名,邮箱,手机,角色,组; empty: one by one",
        "员工：CSV 文件，列为 工号,姓名,邮箱,手机,角色,组（留空：逐个填写）",
    ),
    "person": (
        "One person: NUMBER,NAME,MAIL[,ROLE[,TEAM]]; empty: nobody more",
        "一名员工：工号,姓名,邮箱[,角色[,团队]]（留空：填完了）",
    ),
    "needed": ("this is needed", "此项必填"),
    "no_file": ("there is no such file", "没有这个文件"),
    "no_number": ("a port is a number from 1 to 65535", "端口是 1 到 65535 的数字"),
    "no_address": (
        "{text} is not a mail address, such as support@example.com",
        "{text} 不是邮箱地址，应如 support@example.com",
    ),
    "no_zone": (
        "{text} is not a time zone, such as Asia/Shanghai or Europe/Berlin",
        "{text} 不是时区，应如 Asia/Shanghai、Europe/Berlin",
    ),
    "no_locale": ("{text} is neither zh_CN nor en", "{text} 既不是 zh_CN 也不是 en"),
    "no_url": (
        "{text} is no address of pages, such as https://support.example.com",
        "{text} 不是网页地址，应如 https://support.example.com",
    ),
    "no_place": ("{text} is not HOST:PORT, such as 0.0.0.0:8025", "{text} 不是 HOST:PORT，应如 0.0.0.0:8025"),
    "no_way": ("choose imap, forward, webhook or none", "请填 imap、forward、webhook 或 none"),
    "no_policy": (
        "{text}: {wrong}; choose support-response, response-tracking, after-sales or a TOML file's path",
        "{text}：{wrong}；请填 support-response、response-tracking、after-sales 或 TOML 文件的路径",
    ),
    "own_address": (
        "that is the administrator's own address: give the role administrator, or leave it out",
        "这是管理员本人的邮箱：请填角色“管理员”，或不填此人",
    ),
    "written": ("written to {file} (0600): {names}", "已写入 {file}（0600）：{names}"),
    "people": ("people: {added} added, {changed} changed", "员工：新增 {added} 人，修改 {changed} 人"),
    "unchanged": ("nothing was changed", "没有任何更改"),
    "next": ("next", "接下来"),
    "to_admin": ("{command}: nobody hears of anything yet", "{command}：目前还没有人会收到通知"),
    "to_apply": (
        "{command}: {in_force} is in force until somebody says so",
        "{command}：在此之前仍按 {in_force} 计算",
    ),
    "to_open": ("{command}, then open {url}", "{command}，然后打开 {url}"),
    "to_sign_in": (
        "sign in there with {address}: the link comes by mail",
        "用 {address} 登录：登录链接会发到该邮箱",
    ),
    "to_wait": (
        "mails that are fetched appear there, with numbers and clocks",
        "收取的邮件会带着工单编号和时限出现在那里",
    ),
    "to_forward": (
        "forward the mailbox to {address}, from your mail server's settings",
        "在邮件服务器上设置把客服邮箱转发到 {address}",
    ),
    "to_let_in": (
        "say where mail comes from: {command}, or post one (--webhook)",
        "指定来信方式：{command}，或用 --webhook 查看投递示例",
    ),
    "to_relay": (
        "name a relay: {command}; until then mails only show",
        "指定发信服务器：{command}；在此之前邮件只在日志中显示",
    ),
    "to_publish": (
        "name the address of the pages: {command}; going live needs it",
        "指定页面的访问地址：{command}；切换为正式模式前必须设置",
    ),
    "to_look": (
        "{held} shows what would have gone out; then {live}",
        "{held} 查看本应发出的消息；然后 {live}",
    ),
}


def chinese() -> bool:
    """Whether the terminal's language (LC_ALL, LC_MESSAGES, LANG, in this order) is Chinese."""
    said = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return said.lower().startswith("zh")


def say(name: str, **facts: object) -> str:
    """The sentence of that name, with its facts."""
    return WORDS[name][chinese()].format(**facts)
