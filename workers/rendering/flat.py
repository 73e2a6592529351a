"""A template in one piece: layout, blocks and includes are put together once, when it is compiled.

Jinja does this anew for each mail: it looks templates up, makes a context for each include, and hands every
piece of text through a generator for each level. What is put together here is Jinja's own syntax tree, so the
sandbox, escaping and the refusal of missing facts are Jinja's as before, for the same expressions. Words for
fixed codes ("ticket"|label("word")) are looked up here as well, since a file's path names its locale.

A construct that could mean another thing in another place (`super()`, a block in a loop, an include that may
be missing) is left as it is, and Jinja does it as always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from jinja2 import Environment, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

Words = Callable[[str, str, str], str | None]
"""(locale, group, code) → the words that a template is given for a code; None where there are none."""

_LOCALE = re.compile(r"(?:email|sms|chat)/[^/]+/(\w+)[./]")
_MOST_INSERTED = 50
_NAMING = (nodes.Assign, nodes.AssignBlock, nodes.Import, nodes.FromImport, nodes.Macro)
_BODIES = (nodes.If, nodes.For, nodes.Scope, nodes.Macro)


class _CannotBeFlat(Exception):
    """The tree holds something that is not known to mean the same in another place."""


def flat(tree: nodes.Template, name: str, environment: Environment, words: Words) -> nodes.Template:
    """The tree of the template `name`, in one piece where that is possible."""
    whole = _Flattening(environment, name, (), [0]).body(tree)
    if whole is not None:
        tree = nodes.Template(whole, lineno=1)
        tree.set_environment(environment)
    for place in [tree, *tree.find_all(_BODIES)]:
        for field in {"body", "else_"} & set(place.fields):
            setattr(place, field, _joined(getattr(place, field)))
    locale = _LOCALE.match(name)
    if locale is not None and not _sets(tree, "locale"):
        _Wording(words, locale[1]).visit(tree)
    return tree


class _Flattening:
    """Puts one template together; `above` are those it is put into, `inserted` counts for all of them."""

    def __init__(
        self, environment: Environment, name: str, above: tuple[str, ...], inserted: list[int]
    ) -> None:
        self._environment = environment
        self._above = (*above, name)
        self._so_far = inserted
        self._blocks: dict[str, nodes.Block] = {}
        self._inside: list[str] = []

    def body(self, tree: nodes.Template) -> list[nodes.Node] | None:
        """All that the template writes, in order; None when it cannot be said in one piece."""
        try:
            return self._inserted(self._inherited(tree))
        except _CannotBeFlat:
            return None

    def _inherited(self, tree: nodes.Template) -> list[nodes.Node]:
        """The body of the outermost layout, behind the names that the templates on the way to it bring."""
        for block in tree.find_all(nodes.Block):
            self._blocks.setdefault(block.name, block)
        extends = list(tree.find_all(nodes.Extends))
        if not extends:
            return tree.body
        names = [node for node in tree.body if isinstance(node, nodes.FromImport | nodes.Macro)]
        # Text beside the blocks is never written; anything else there might act.
        others = (nodes.Extends, nodes.Block, nodes.FromImport, nodes.Macro, nodes.Output)
        first = tree.body[0] is extends[0] and len(extends) == 1
        if not first or not all(isinstance(node, others) for node in tree.body):
            raise _CannotBeFlat
        return names + self._inherited(self._parsed(extends[0].template)[1])

    def _inserted(self, body: Sequence[nodes.Node]) -> list[nodes.Node]:
        return [piece for node in body for piece in self._pieces(node)]

    def _pieces(self, node: nodes.Node) -> Iterable[nodes.Node]:
        match node:
            case nodes.Block():
                return self._block(node.name)
            case nodes.Include():
                return self._included(node)
            case nodes.Output():
                return self._output(node)
            case nodes.If():
                _refuse_self(node.test)
                elses = [self._one_branch(branch) for branch in node.elif_]
                body, last = self._inserted(node.body), self._inserted(node.else_)
                return [nodes.If(node.test, body, elses, last, lineno=node.lineno)]
            case _:
                if node.find(nodes.Block) is not None:
                    raise _CannotBeFlat
                _refuse_self(node)
                return [node]

    def _one_branch(self, branch: nodes.If) -> nodes.If:
        _refuse_self(branch.test)
        return nodes.If(branch.test, self._inserted(branch.body), [], [], lineno=branch.lineno)

    def _block(self, name: str) -> list[nodes.Node]:
        block = self._blocks.get(name)
        if block is None or block.required or block.scoped or name in self._inside:
            raise _CannotBeFlat
        self._inside.append(name)
        body = self._inserted(block.body)
        self._inside.pop()
        return _apart(body)

    def _output(self, output: nodes.Output) -> Iterator[nodes.Node]:
        """An output in which `self.title()` is replaced by what the block `title` writes."""
        for part in output.nodes:
            match part:
                case nodes.Call(
                    node=nodes.Getattr(node=nodes.Name(name="self"), attr=str(name)),
                    args=[], kwargs=[], dyn_args=None, dyn_kwargs=None,
                ):  # fmt: skip # packed, to be read at a glance
                    yield from self._block(name)
                case _:
                    _refuse_self(part)
                    yield nodes.Output([part], lineno=output.lineno)

    def _included(self, include: nodes.Include) -> list[nodes.Node]:
        """What the include writes; the include itself where that cannot be said."""
        if not include.with_context or include.ignore_missing:
            return [include]
        try:
            name, tree = self._parsed(include.template)
        except _CannotBeFlat:
            return [include]
        body = _Flattening(self._environment, name, self._above, self._so_far).body(tree)
        return [include] if body is None else _apart(body)

    def _parsed(self, template: nodes.Expr) -> tuple[str, nodes.Template]:
        """A template named by a constant. What is wrong with it Jinja says when it is rendered."""
        name = getattr(template, "value", None)
        self._so_far[0] += 1
        if not isinstance(name, str) or name in self._above or self._so_far[0] > _MOST_INSERTED:
            raise _CannotBeFlat
        assert self._environment.loader is not None
        try:
            source, filename, _ = self._environment.loader.get_source(self._environment, name)
            tree = self._environment.parse(source, name, filename)
        except (TemplateNotFound, TemplateSyntaxError):
            raise _CannotBeFlat from None
        if not self._escapes_alike(name) and not all(map(_is_text, tree.body)):
            raise _CannotBeFlat
        return name, tree

    def _escapes_alike(self, name: str) -> bool:
        escapes = self._environment.autoescape
        return isinstance(escapes, bool) or escapes(name) == escapes(self._above[0])


class _Wording(NodeTransformer):
    """Puts the words in for codes that stand in the template itself."""

    def __init__(self, words: Words, locale: str) -> None:
        self._words = words
        self._locale = locale

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802 - named by Jinja
        """The words, for a label of a constant code of a constant group."""
        self.generic_visit(node)
        match node:
            case nodes.Filter(
                node=nodes.Const(value=str(code)), name="label", args=[nodes.Const(value=str(group))],
                kwargs=[], dyn_args=None, dyn_kwargs=None,
            ):  # fmt: skip # packed, to be read at a glance
                text = self._words(self._locale, group, code)
                return node if text is None else nodes.Const(text, lineno=node.lineno)
        return node


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and all(isinstance(part, nodes.TemplateData) for part in node.nodes)


def _refuse_self(node: nodes.Node) -> None:
    """`self` and `super` mean the template that they stand in."""
    names = [node] if isinstance(node, nodes.Name) else node.find_all(nodes.Name)
    if any(name.name in ("self", "super") for name in names):
        raise _CannotBeFlat


def _sets(tree: nodes.Template, name: str) -> bool:
    return any(found.name == name and found.ctx != "load" for found in tree.find_all(nodes.Name))


def _apart(body: list[nodes.Node]) -> list[nodes.Node]:
    """A block's or an include's pieces; the names that they make stay theirs."""
    inside = [*body, *(found for node in body for found in node.find_all(_NAMING))]
    return [nodes.Scope(body)] if any(isinstance(node, _NAMING) for node in inside) else body


def _joined(body: Sequence[nodes.Node]) -> list[nodes.Node]:
    """The same with outputs that follow each other as one."""
    joined: list[nodes.Node] = []
    for node in body:
        last = joined[-1] if joined else None
        if isinstance(node, nodes.Output) and isinstance(last, nodes.Output):
            joined[-1] = nodes.Output([*last.nodes, *node.nodes], lineno=last.lineno)
        else:
            joined.append(node)
    return joined
