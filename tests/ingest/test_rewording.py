"""What the program says can be said in both languages, all of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from pathlib import Path
from string import Formatter

import pytest

from adapters import imap
from ingest.catalogue import LANGUAGES, Language, load_words
from ingest.sayings.check import FOLDER as CHECK_WORDS
from ingest.sayings.rewording import LONGEST, rewording
from ingest.sayings.words import FOLDER
from store.blob_bucket import WORDS

ROOT = Path(__file__).parents[2]
SPEAKERS = (
    *ROOT.glob("ingest/config*.py"),
    *ROOT.glob("ingest/probing*.py"),
    *ROOT.glob("adapters/**/*.py"),
    *(ROOT / "ingest" / name for name in ("secrets.py", "clamd.py", "calendar_files.py", "reader.py")),
    *(ROOT / "ingest" / name for name in ("worker_process.py", "alarms/settings.py", "alarms/sinks.py")),
    *(ROOT / "dispatch" / name for name in ("settings.py", "expressions.py", "client.py", "own_api.py")),
    *(ROOT / "dispatch" / name for name in ("answer.py", "deciding.py", "parcel.py")),
    *(
        ROOT / "normalize" / name
        for name in ("feed.py", "letter.py", "mail.py", "mail_auto.py", "raster.py", "read.py")
    ),
    *ROOT.glob("ingest/command*.py"),
    *ROOT.glob("ingest/operations/*.py"),
    *ROOT.glob("ingest/verifying/*.py"),
    *(ROOT / "ingest" / name for name in ("control.py", "accounts.py", "written.py", "sheets/facts.py")),
    ROOT / "dispatch" / "reconciling.py",
    *(
        ROOT / "store" / name
        for name in (
            *("backup.py", "backup_files.py", "blob_bucket.py", "blob_claim.py", "blob_folder.py", "blobs.py"),
            "depot_threads.py",
            *("engine.py", "looking.py", "migrate.py", "move_source.py", "move_target.py", "moved.py", "moving.py"),
            *("restore.py", "restore_database.py", "row_bytes.py", "sealing.py", "snapshot.py", "sqlite.py"),
        )
    ),
)
"""Whose words commands print, the quarantine, or a page about doors, targets and deliveries."""
NO_WORDS = re.compile(
    "application/|Unsafe Login|SELECT|-----BEGIN|bool \\|"
    "|Value error|Input should|, unable to|count never ends|its pipes|without its numbers"
    "|xinqiao (?:move|restore|webhook payload)$|quarantine register$"
)
"""What is written to machines, read from libraries, or said of our own mistakes."""
HOLE = "⟨⟩"
CHINESE = re.compile("[\u4e00-\u9fff]")
ADDRESSED = re.compile(r"^raise |^return f?['\"(]|^reason =|^unkeyed =|^return Reading|^return '、'")
"""Statements by which a reader says why."""
ENGLISH = re.compile("[a-z]{2,} [a-z]{2,}")
QUOTED = re.compile("“[^”]*”|`[^`]*`|openssl rand -(?:base64 32|hex 32)")


def _said(module: Path) -> Iterator[tuple[int, str]]:
    """What stands in a module in so many words: texts with a space that are neither docstring, log nor pattern."""
    tree = ast.parse(module.read_text("utf-8"))
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(node.value)
        elif isinstance(node, ast.Call) and re.match(
            r"Field|log\.|say|re\.|description|proof\.counted", ast.unparse(node.func)
        ):
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
}
"""Of sentences that are in the files as a whole."""


@pytest.mark.parametrize("module", SPEAKERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_is_said_in_chinese(module: Path) -> None:
    say = rewording("zh")
    said = {(line, text): say(text) for line, text in _said(module) if text not in PARTS and not NO_WORDS.search(text)}

    assert [place for place, sentence in said.items() if ENGLISH.search(QUOTED.sub("", sentence))] == []


@pytest.mark.parametrize("module", SPEAKERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sentence_is_said_in_english(module: Path) -> None:
    say = rewording("en")
    tree = ast.parse(module.read_text("utf-8"))
    spoken = [node for node in ast.walk(tree) if isinstance(node, ast.Raise | ast.Return | ast.Assign)]
    reasons = {text for node in spoken if ADDRESSED.search(ast.unparse(node)) for _, text in _texts(node)}

    assert [text for text in reasons if CHINESE.search(say(text).replace(imap._UNSAFE_MEANS, ""))] == []


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
