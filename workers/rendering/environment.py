"""The Jinja environment: where files come from, what the sandbox refuses, which errors come out."""

import json
from collections.abc import Callable, MutableMapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workers.errors import TemplateError
from workers.rendering import filters
from workers.rendering.flat import flat
from workers.rendering.images import Images
from workers.rendering.styles import Styles

LOCALES = ("en", "zh_CN")
_LONGEST_REPEAT = 100_000
# They make long texts from short arguments, past the cap on output.
_REFUSED_FILTERS = ("center", "format", "indent", "pprint", "random", "urlize", "wordwrap", "xmlattr")
_REFUSED_METHODS = frozenset(
    {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "translate"}
)
_Taking = nodes.Include | nodes.Import | nodes.FromImport
_OF_EACH_DICTIONARY = frozenset(dir(dict))


def shipped_folder() -> Path:
    """The folder of the templates that come with closeloop, in a checkout and in an installed wheel alike."""
    return Path(str(files("templates")))


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, tightened: no operator and no method that makes a huge text from a short one."""

    intercepted_binops = frozenset({"*", "**", "%"})
    labels: filters.Labels = MappingProxyType({})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._whole: dict[str, Template] = {}

    def whole(self, name: str) -> Template:
        """The template in one piece (see `flat`); not to be extended. Raises what `get_template` raises."""
        known = self._whole.get(name)
        if known is None:
            assert self.loader is not None
            source, filename, _ = self.loader.get_source(self, name)
            tree = flat(self.parse(source, name, filename), name, self, self._words)
            code = self.compile(tree, name, filename)
            known = self._whole[name] = Template.from_code(self, code, self.make_globals(None))
        return known

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        if name is not None and name.endswith(".html"):
            _refuse_plain_text(tree)
        return tree

    def _words(self, locale: str, group: str, code: str) -> str | None:
        return self.labels.get(locale, {}).get(group, {}).get(code)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Only numbers may be multiplied, and nothing raised to a power."""
        if operator == "**" or not (_small(left) and _small(right)):
            raise SecurityError(f"the operator {operator} is not allowed here")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As in Jinja, but a fact of a plain dictionary is found without failing as an attribute first."""
        if type(obj) is dict and attribute in obj and attribute not in _OF_EACH_DICTIONARY:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """One dictionary instead of a chain, which each context of each mail would walk through again."""
        return {**self.globals, **(d or {})}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No private attribute, none that changes things, none that pads or formats texts."""
        if attr in _REFUSED_METHODS and not isinstance(obj, dict):
            return False
        return super().is_safe_attribute(obj, attr, value)


def _refuse_plain_text(tree: nodes.Template) -> None:
    """Nothing that a text template writes is escaped, and Jinja takes what a macro of it gives for safe HTML.

    Raises TemplateSyntaxError.
    """
    taking: tuple[type[_Taking], ...] = (nodes.Include, nodes.Import, nodes.FromImport)
    for node in tree.find_all(taking):
        named = [node.template, *node.template.find_all(nodes.Const)]
        if any(isinstance(each, nodes.Const) and str(each.value).endswith(".txt") for each in named):
            raise TemplateSyntaxError("an HTML template takes nothing from a .txt one", node.lineno)


def _small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LONGEST_REPEAT


class _StyledLoader(BaseLoader):
    """Hands on the wrapped loader's files, those of mails in HTML with stylesheet and images put in."""

    def __init__(self, loader: BaseLoader, styles: Styles, images: Images) -> None:
        self._loader = loader
        self._styles = styles
        self._images = images

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, fresh = self._loader.get_source(environment, template)
        if template.startswith("email/") and template.endswith(".html"):
            source = self._images.apply(self._styles.apply(source))
        return source, name, fresh

    def list_templates(self) -> list[str]:
        return self._loader.list_templates()


def build_environment(overrides: Path | None, images: Images) -> Sandbox:
    """A sandboxed environment over the shipped templates, shadowed file by file by those in `overrides`.
    `images` are those that mails may show.

    Templates are compiled once and kept: a change of a file needs a new environment.
    Raises TemplateError when a labels file is not what it should be.
    """
    folders = [FileSystemLoader(folder) for folder in (overrides, shipped_folder()) if folder is not None]
    loader = ChoiceLoader(folders)
    environment = Sandbox(
        autoescape=lambda name: name is None or name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    css = loader.get_source(environment, "email/_base/mail.css")[0]
    environment.loader = _StyledLoader(loader, Styles(css), images)
    for name in _REFUSED_FILTERS:
        environment.filters.pop(name, None)
    environment.labels = {locale: load_labels(locale, overrides) for locale in LOCALES}
    filters.install(environment, environment.labels)
    return environment


def load_labels(locale: str, overrides: Path | None = None) -> dict[str, dict[str, str]]:
    """The words for codes in one locale: group -> code -> words; an operator's file adds to ours."""
    name = f"labels.{locale}.json"
    labels = _read_labels(shipped_folder() / name)
    if overrides is not None and (overrides / name).is_file():
        filters.merge_labels(labels, _read_labels(overrides / name).items())
    return labels


def _read_labels(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateError(f"{path.name} cannot be read: {type(error).__name__}", "JSON in UTF-8") from error
    if not isinstance(content, dict) or not all(_is_group(words) for words in content.values()):
        raise TemplateError(
            f"{path.name} is no table of groups of texts", "e.g. {'priority': {'high': 'High'}}"
        )
    return content


def _is_group(words: object) -> bool:
    return isinstance(words, dict) and all(isinstance(text, str) for text in words.values())
