"""What the program says can be said in both languages, all of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from pathlib import Path
from string import Formatter

import pytest

from adapters import imap
from ingest.catalogue import LANGUAGES, PAGES, Language, load_words
from ingest.rereading import NEEDS_A_RESTART
from ingest.sayings.check import FOLDER as CHECK_WORDS
from ingest.sayings.rewording import LONGEST, rewording
from ingest.sayings.words import FOLDER
from store.blob_bucket import WORDS

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "dispatch", "ingest", "normalize", "store")
SILENT = {
    *("dispatch/reckoning.py", "dispatch/reports.py", "ingest/reported.py"),  # said to other programs, in English
    *("ingest/console/interface.py", "ingest/console/probes.py", "ingest/console/reports.py", "ingest/metrics.py"),
    "ingest/cli.py",  # --help, and what argparse says, in English
    "ingest/unexpected.py",  # both languages at once
    *("ingest/console/looks.py", "ingest/sheets/fonts.py", "store/crashpoint.py"),  # HTML, PDF, what tests ask for
    *("normalize/charsets.py", "normalize/label_words.py", "normalize/mail_draft.py", "normalize/quotes.py"),
    *("normalize/labels.py", "normalize/owners.py", "normalize/textlayer.py"),  # words petitions are read by
    *("normalize/reading_process.py", "normalize/showing.py"),  # said between our own processes
}
"""Modules that say nothing to a person, or nothing that is said again."""
SPEAKERS = [
    module
    for package in PACKAGES
    for module in sorted(ROOT.joinpath(package).rglob("*.py"))
    if str(module.relative_to(ROOT)) not in SILENT
]
SAID_TO_NOBODY = re.compile(
    r"Field|log\.|say|re\.|description|proof\.counted|Chore|within|self\.supervisor\.ready"
    r"|DoorLost|KeyError|LeaseLost|LookupError|RuntimeError|StoreClosed|TransactionLost|TypeError"
    r"|psycopg\.OperationalError|web\.HTTPForbidden|web\.HTTPGone"
)
"""Help, logs, patterns, names of our own, mistakes of ours (logged by place), what a page of its own explains."""
NO_WORDS = re.compile(
    "application/|Unsafe Login|SELECT|-----BEGIN|bool \\|"
    "|Value error|Input should|, unable to|count never ends|without its numbers|reading has a draft"
    "|xinqiao (?:move|restore|webhook payload)$|quarantine register$"
)
"""What is written to machines, read from libraries, or said of our own mistakes."""
HOLE = "⟨⟩"
CODED = "restricted_reason."
CHINESE = re.compile("[\u4e00-\u9fff]")
ADDRESSED = re.compile(r"^raise |^return f?['\"(]|^reason =|^unkeyed =|^return Reading|^return '、'")
"""Statements by which a reader says why."""
ENGLISH = re.compile("[a-z]{2,} [a-z]{2,}")
QUOTED = re.compile("“[^”]*”|`[^`]*`|systemctl restart xinqiao|openssl rand -(?:base64 32|hex 32)")


def _said(module: Path) -> Iterator[tuple[int, str]]:
    """What stands in a module in so many words: texts with a space that are neither docstring, log nor pattern."""
    tree = ast.parse(module.read_text("utf-8"))
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(node.value)
        elif isinstance(node, ast.Call) and SAID_TO_NOBODY.match(ast.unparse(node.func)):
            silent |= set(ast.walk(node))
    return ((line, text) for line, text in _texts(tree, silent) if " " in text.strip())


def _texts(tree: ast.AST, silent: Container[ast.AST] = ()) -> Iterator[tuple[int, str]]:
    inner = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if node in silent or node in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(one.value) if isinstance(one, ast.Constant) else HOLE for one in node.values)


PARTS = {
    *WORDS.values(),
    '"⟨⟩" is not ⟨⟩',
    " and breaks at character ⟨⟩",
    ", also after logging in",
    "an event type",
    "does not speak TLS",
    "⟨⟩ ⟨⟩: is paused already",
    "⟨⟩ ⟨⟩: is not paused",
    "another account",
    *("among entries ⟨⟩ to ⟨⟩", "behind entry ⟨⟩", "⟨⟩ there is one that cannot be read: somebody else wrote it"),
    *("⟨⟩ entries too many ⟨⟩", "between entries ⟨⟩ and ⟨⟩ of the history"),
    *("⟨⟩ has no stamp: somebody else wrote it", "⟨⟩ was changed, or somebody else wrote it"),
    *("is not in its list", "was changed"),
    *("the ITEM's number, which `xinqiao quarantine list` shows", "FIELD=VALUE, a title at least"),
    "its proxy ",
    imap._UNSAFE_MEANS,
    *(key.removeprefix(CODED) for key in load_words(PAGES, "zh").entries if key.startswith(CODED)),
    *("alarm sink ⟨⟩", "clock watch", "data key", "history chain"),  # parts, as logs name them
    *("not polled yet", "rung lanes", "another's", "the writer's", "not said"),  # for monitors, and names of our own
    *("same phone", "topic fees"),  # of an invented case
}
"""Of sentences that are in the files as a whole."""


@pytest.mark.parametrize("module", SPEAKERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_is_said_in_chinese(module: Path) -> None:
    say = rewording("zh")
    english = [(line, text) for line, text in _said(module) if ENGLISH.search(text) and text not in PARTS]

    unsaid = [(line, text) for line, text in english if ENGLISH.search(QUOTED.sub("", say(text)))]
    assert [(line, text) for line, text in unsaid if not NO_WORDS.search(text)] == []


@pytest.mark.parametrize("module", SPEAKERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_is_said_in_english(module: Path) -> None:
    say = rewording("en")
    tree = ast.parse(module.read_text("utf-8"))
    spoken = [node for node in ast.walk(tree) if isinstance(node, ast.Raise | ast.Return | ast.Assign)]
    reasons = {text for node in spoken if ADDRESSED.search(ast.unparse(node)) for _, text in _texts(node)}
    chinese = filter(CHINESE.search, reasons)

    assert [text for text in chinese if CHINESE.search(say(text).replace(imap._UNSAFE_MEANS, ""))] == []


@pytest.mark.parametrize(
    "sentence",
    [
        *(f"{words} (Code)" for words in WORDS.values()),
        '"oa2" is not a channel, did you mean "oa"? If it was renamed, expected both names',
        '"case.made" is not an event type, expected one of: case.created',
        "hotline: POST https://x/list: answered 90001; expected code to be 0, also after logging in",
        "hotline: POST https://x/list: answered 12 bytes that look like XML and breaks at character 1; expected JSON",
        f"mailbox a at mail.example: Unsafe Login. {imap._UNSAFE_MEANS}",
        "mailbox a at mail.example: it does not speak TLS on this port; expected tls: starttls or none",
        "cannot connect to its proxy proxy.example:3128: Connection refused",
        "reachable, answers OPTIONS with 404: fine if it knows POST only, else look at the path of its url",
        "https://x answers and lists its records, 3 records changed within a day; its certificate is good for 9 days",
        "etc/config.yaml:9:1: alarms.sinks.wecom.url: ${KEY}: environment variable KEY is not set (+2 more)",
        "lookup: ServerDisconnectedError",
        "ClientConnectorError: Connection refused",
        "hotline: POST https://x/list: the connection failed (TimeoutError); expected an answer",
        f"etc/config.yaml:9:1: log: {NEEDS_A_RESTART}",
        'targets.oa.calls.case.created.body: cannot be filled from a petition: there is no "nothing"',
        "case 2026-000123: petitioners.3.name: a case has no field '3' there",
        "worker ocr answered ['odd']; expected ok or error",
        "not YAML: while scanning a simple key, could not find expected ':'; indent with spaces, not tabs",
    ],
)
def test_sentences_put_together_are_said_whole(sentence: str) -> None:
    assert not ENGLISH.search(QUOTED.sub("", rewording("zh")(sentence)))


@pytest.mark.parametrize("folder", [FOLDER, CHECK_WORDS])
def test_both_languages_have_the_same_sentences_with_the_same_places(folder: Path) -> None:
    chinese, english = (load_words(folder, language).entries for language in LANGUAGES)

    assert {key: _places(said) for key, said in chinese.items()} == {
        key: _places(said) for key, said in english.items()
    }


def test_what_was_said_in_one_language_comes_back_from_the_other() -> None:
    for key, template in load_words(FOLDER, "en").entries.items():
        filled = {name: f"⟨{number}⟩" for number, name in enumerate(sorted(_places(template)))}
        english, chinese = template.format(**filled), load_words(FOLDER, "zh").entries[key].format(**filled)

        assert rewording("zh")(english) == chinese
        assert rewording("zh")(rewording("en")(chinese)) == chinese


@pytest.mark.parametrize(
    ("stored", "chinese", "english"),
    [
        (
            "the scan cannot be read: 图片文件头无法读取，文件损坏或不完整",
            "扫描件无法读取：图片文件头无法读取，文件损坏或不完整",
            "the scan cannot be read: the picture's header cannot be read; the file is damaged or incomplete",
        ),
        (
            "letters: the file is empty",
            "letters：文件是空的",
            "letters: the file is empty",
        ),
        (
            "记录没有编号，应在 id + sub_id",
            "记录没有编号，应在 id + sub_id",
            "the record has no number, expected in id + sub_id",
        ),
    ],
)
def test_a_reason_of_any_age_is_in_one_language(stored: str, chinese: str, english: str) -> None:
    assert (rewording("zh")(stored), rewording("en")(stored)) == (chinese, english)


@pytest.mark.parametrize(
    "words", ["NO [AUTHENTICATIONFAILED] bad: user; try again", "孩子：六点；出门", "x" * 5000, "", "a: ", "; b"]
)
def test_what_others_have_said_stays_as_it_is(words: str) -> None:
    assert [rewording(language)(words) for language in LANGUAGES] == [words, words]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "words", ["expected a, expected b: ", "has ", ", expected ", "lookup: ", "记录 a 既没有标题也没有内容，应在 "]
)
def test_others_words_that_look_like_ours_again_and_again_break_nothing(words: str, language: Language) -> None:
    assert rewording(language)((words * LONGEST)[:LONGEST])


def _places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}
