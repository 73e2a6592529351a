"""Words that say nothing of what a problem is about: function words and courtesies."""

from __future__ import annotations

_ENGLISH = """
about after again all also always am an and any are as at be because been before best but by can
cannot could day dear did do does doing don done down each even ever every few first for from get
go good had has have he hello help her here hi him his how if in into is issue it its just kind
know let like made make many may me message might more most much must my need new no not now of off
on once one only or other our out over please possible problem question re received regards request
same say see sent she should since so some still such support thank thanks that the their them then
there these they this those through time to today tomorrow too tried try two under until up us use
used very want was way we well were what when where which while who why will with without work
working would yes yesterday yet you your yours
"""
_CHINESE = """
我们 你们 他们 您好 你好 谢谢 感谢 请问 可以 不能 无法 什么 怎么 为什 如何 这个 那个 这样 一下 一个
一直 已经 还是 没有 不是 就是 但是 因为 所以 如果 现在 今天 昨天 明天 时候 的时 之后 以后 之前 希望
麻烦 尽快 帮忙 帮助 处理 解决 问题 情况 出现 显示 需要 使用 联系 客户 客服 工单 回复 收到 能否 是否
或者 以及 进行 自己 的问 了解 知道 觉得 应该 非常 比较 不了 不到 来了 好的
"""


def common_words() -> list[str]:
    """In English, and in Chinese as pairs of characters; folded as the words of the index are."""
    return [*_ENGLISH.split(), *_CHINESE.split()]
