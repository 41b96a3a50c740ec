#!/usr/bin/env python3
"""Checks the rules of this repository that a compiler does not know.

usage: tidy.py [ROOT]        (default: the repository this file is in)

Prints one line for each problem, `file:line: rule: what to do`, and exits with 1 if there is any.
The tables below are the rules; to change a rule, change its table. It reads text, not C++: it is
exact for code formatted by .clang-format and good enough for the rest.
"""
import ast
import os
import re
import subprocess
import sys
from pathlib import Path

# ------------------------------------------------------------------------------------ the rules

# Which rooms a room may include; itself always. A file belongs to the room with the longest
# matching path. Tests, benches and examples may include everything; nothing may include them.
BASE, EMULATOR, REPLAY = "emulator/base", "emulator", "replay"
MACHINE = {BASE, EMULATOR}
PROTOCOL = MACHINE | {REPLAY, "ftcore/protocol"}
INCLUDES = {
    BASE: set(),
    EMULATOR: {BASE, "emulator/unicorn", "emulator/boot", "emulator/gdb"},
    "emulator/unicorn": MACHINE,
    "emulator/boot": MACHINE,
    "emulator/gdb": MACHINE,
    "devices": MACHINE,
    "devices/host": MACHINE,
    "proto": set(),
    REPLAY: MACHINE,
    "ftcore": PROTOCOL,
    "ftcore/protocol": MACHINE | {REPLAY},
    "ftcore/transport": PROTOCOL,
    "ftcore/arbiter": PROTOCOL,
    # One process of a pair: all of the above but the guest's devices.
    "ftcore/node": PROTOCOL | {"devices/host", "ftcore/transport", "ftcore/arbiter"},
    # A pair in one process: the worlds of a node, the bytes of the wire, no socket.
    "ftcore/sim": PROTOCOL | {"devices", "devices/host", "ftcore/node", "ftcore/transport"},
    "ftcore/rig": PROTOCOL,
    # Pairs in one process, many of them; a machine in them may be the real one.
    "ftcore/campaign": PROTOCOL | {"devices", "emulator/boot", "ftcore/sim"},
    "ftcore/cli": None,  # None: everything but the free rooms below.
}
FREE_ROOMS = ("tests", "bench", "examples")

# Generated protobuf headers and the runtime: only in these rooms, only in files of this name.
PROTO_ROOMS = {REPLAY, "ftcore/transport", "ftcore/arbiter", "ftcore/sim", "ftcore/rig",
               "ftcore/campaign", "ftcore/cli"}
PROTO_FILE = re.compile(r"_codec\.cc$")

# Third-party headers: pattern, rooms that may use them, whether our headers may name them.
LIBRARIES = [
    (re.compile(r"unicorn/"), {"emulator/unicorn"}, True),
    (re.compile(r"capstone/"), {"emulator/unicorn", EMULATOR, "emulator/gdb"}, False),
    (re.compile(r"zmq(_addon)?\.h"), {"devices/host", "ftcore/transport", "ftcore/cli"}, False),
    (re.compile(r"(slirp/)?libslirp"), {"devices/host"}, False),
    (re.compile(r"libnbd\.h"), {"devices/host"}, False),
    (re.compile(r"xxhash\.h|crc32c/"), {BASE}, False),
    (re.compile(r"zstd"), {REPLAY}, False),
    (re.compile(r"sodium"), {"ftcore/transport", "ftcore/cli"}, False),
    (re.compile(r"CLI/"), {"ftcore/cli"}, True),
    (re.compile(r"toml\+\+/"), {"ftcore/campaign"}, True),
    (re.compile(r"pugixml"), {"ftcore/campaign"}, False),
    (re.compile(r"httplib\.h"), {"ftcore/arbiter", "ftcore/cli"}, False),
    (re.compile(r"nlohmann/"), {"ftcore/arbiter", "ftcore/transport", "ftcore/campaign", "ftcore/cli"},
     False),
    (re.compile(r"gtest/|gmock/|benchmark/"), set(), False),
]

# Sources of nondeterminism. They are banned in every room that is not named beside them.
OUTSIDE = {"devices/host", "ftcore/transport", "ftcore/arbiter", "ftcore/node", "ftcore/rig",
           "ftcore/campaign", "ftcore/cli"}
CALL = r"(?<![\w.>])(?<!\w::)(?:std::|::)?"  # Not a member, not another class's static.
BANNED = [
    ("host-clock", OUTSIDE | {"emulator/unicorn"}, re.compile(
        r"\b(system|steady|high_resolution)_clock\b|" + CALL +
        r"(clock_gettime|gettimeofday|localtime(_r)?|strftime|_*rdtscp?)\s*\(|"
        r"(std|(?<!\w))::clock\s*\(|" + CALL + r"time\s*\(\s*(NULL|nullptr|0)?\s*\)")),
    ("sleep", OUTSIDE, re.compile(
        r"\bsleep_(for|until)\b|" + CALL + r"(sleep|usleep|nanosleep|clock_nanosleep)\s*\(")),
    ("entropy", OUTSIDE, re.compile(
        r"\brandom_device\b|" + CALL +
        r"(s?rand|rand_r|s?random|[dlm]rand48|getrandom|getentropy|arc4random\w*)\s*\(|"
        r"/dev/u?random\b")),
    ("thread", OUTSIDE | {"ftcore/sim"}, re.compile(
        r"\bstd::(jthread|thread|async)\b|\bpthread_create\b|#\s*include\s*<(thread|future)>")),
    ("socket", OUTSIDE, re.compile(
        CALL + r"(socket|socketpair|getaddrinfo)\s*\(|"
        r"#\s*include\s*<(sys/socket|sys/un|netinet/\w+|arpa/inet|netdb)\.h>")),
]
# Tests decide by events, not by waiting; these folders hold tests of real processes and devices.
SLEEPING_TESTS = ("tests/rig", "tests/support", "tests/guest/linux", "bench", "examples")

FILE_LINES_MAX = 599
FUNCTION_LINES_MAX = 70
CPP = (".h", ".cc")
SIZED = CPP + (".c", ".S", ".py", ".sh", ".js", ".proto", ".cmake")
TEXT = SIZED + (".md", ".txt", ".yml", ".toml", ".html", ".json", "")
SKIPPED_FOLDERS = re.compile(r"^(build.*|\.git|node_modules|__pycache__)$")
BINARY_FOLDERS = ("tests/fuzz/corpus", "tests/golden", "tests/regress/data")


# --------------------------------------------------------------------------------- reading files

class File:
    """One file: its text, and for C++ the same text with comments and literals blanked."""

    def __init__(self, root, path):
        self.path = path  # Relative to the root, with slashes.
        self.suffix = Path(path).suffix
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.splitlines()
        cpp = self.suffix in CPP
        self.no_comments = blank(self.text, literals=False) if cpp else self.text
        self.code = blank(self.text, literals=True) if cpp else self.text


LEXEME = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r'|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)


def blank(text, literals):
    """Replaces comments (and the inside of literals) by spaces; every line keeps its number."""
    def replace(match):
        lexeme = match.group()
        if lexeme.startswith("/"):
            return re.sub(r"[^\n]", " ", lexeme)
        # An include's "name" is no literal; includes are read from `no_comments`.
        return lexeme[0] + re.sub(r"[^\n]", " ", lexeme[1:-1]) + lexeme[-1] if literals else lexeme
    return LEXEME.sub(replace, text)


def list_files(root):
    """Paths of the repository: what git tracks or would track; without git, every file."""
    if (root / ".git").exists():
        try:
            out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                                 check=True, capture_output=True, text=True).stdout
            return sorted(p for p in out.split("\0") if p and (root / p).is_file())
        except (OSError, subprocess.CalledProcessError):
            pass
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not SKIPPED_FOLDERS.match(f)]
        found += [(Path(folder) / n).relative_to(root).as_posix() for n in names]
    return sorted(found)


def is_below(path, folders):
    return any(path == f or path.startswith(f + "/") for f in folders)


def room_of(path):
    """The room that owns a path; None for free rooms and files of the root."""
    rooms = [r for r in INCLUDES if path.startswith(r + "/")]
    return max(rooms, key=len) if rooms else None


# --------------------------------------------------------------------------------------- checks
# A check yields (line, rule, message) for one file. `known` is the set of all paths.

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes_of(file):
    for number, line in enumerate(file.no_comments.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def check_includes(file, known):
    if file.suffix not in CPP:
        return
    room = room_of(file.path)
    for number, quoted, target in includes_of(file):
        if target.endswith(".pb.h") or target.startswith("google/protobuf/"):
            yield from check_proto_include(file, room, number, target)
        elif quoted and target in known:
            yield from check_room_include(file, room, number, target)
        elif quoted and not any(pattern.match(target) for pattern, _, _ in LIBRARIES):
            yield number, "include", f'"{target}" is no file; write the path from the root'
        else:
            yield from check_library_include(file, room, number, target)


def check_proto_include(file, room, number, target):
    if room is None:
        return
    if room not in PROTO_ROOMS or not PROTO_FILE.search(file.path):
        rooms = ", ".join(sorted(PROTO_ROOMS))
        yield number, "include", f"{target}: protobuf is for *_codec.cc of {rooms}"


def check_room_include(file, room, number, target):
    if room is None:
        return
    if is_below(target, FREE_ROOMS):
        yield number, "include", f"{target}: nothing includes {target.split('/')[0]}/"
        return
    allowed, other = INCLUDES[room], room_of(target)
    if other != room and allowed is not None and other not in allowed:
        rooms = ", ".join(sorted(allowed)) or "nothing"
        yield number, "include", f"{target}: {room} may include {rooms}"


def check_library_include(file, room, number, target):
    if room is None:
        return
    for pattern, rooms, in_headers in LIBRARIES:
        if not pattern.match(target):
            continue
        if room not in rooms:
            owners = ", ".join(sorted(rooms)) or "tests and bench"
            yield number, "include", f"<{target}> belongs to {owners}"
        elif file.suffix == ".h" and not in_headers:
            yield number, "include", f"<{target}>: hide this library behind a header of ours"


def check_banned(file, known):
    if file.suffix not in CPP:
        return
    room = room_of(file.path)
    for rule, rooms, pattern in BANNED:
        if room is None:
            unit_test = file.path.startswith("tests/") and not is_below(file.path, SLEEPING_TESTS)
            if rule != "sleep" or not unit_test:
                continue
        elif room in rooms:
            continue
        # Device paths hide in literals, everything else must be code.
        text = file.no_comments if rule == "entropy" else file.code
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            where = f" in {room}" if room else " in a test"
            yield line, rule, f"'{match.group().strip()}' is banned{where}: be told, do not ask"


def check_size(file, known):
    is_sized = file.suffix in SIZED or file.path == "dev" or file.path.endswith("CMakeLists.txt")
    if is_sized and len(file.lines) > FILE_LINES_MAX:
        size = len(file.lines)
        yield size, "file-size", f"{size} lines; split before {FILE_LINES_MAX + 1}"


def check_functions(file, known):
    finders = {".py": python_functions, ".cc": cpp_functions, ".h": cpp_functions,
               ".sh": shell_functions}
    find = shell_functions if file.path == "dev" else finders.get(file.suffix)
    for first, last, name in find(file) if find else ():
        size = last - first + 1
        if size > FUNCTION_LINES_MAX:
            yield first, "function-size", f"{name} has {size} lines; at most {FUNCTION_LINES_MAX}"


def python_functions(file):
    try:
        tree = ast.parse(file.text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno, node.name


def shell_functions(file):
    start = None
    for number, line in enumerate(file.lines, 1):
        match = re.match(r"(\w+)\s*\(\)\s*[{(]\s*$", line)
        if match:
            start, name = number, match.group(1)
        elif start and re.match(r"[})]", line):
            yield start, number, name
            start = None


# A type or namespace opens a brace too; a return type such as `struct X f() {` ends in `)` or a
# qualifier, which those never do.
NOT_A_FUNCTION = re.compile(
    r"^\s*(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|union|enum)\b"
    r"(?!.*\)\s*\w*\s*$)", re.S)
DIRECTIVE = re.compile(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*")
HEAD_NAME = re.compile(r"([~\w:]+|operator\s*\S+?)\s*\(")


def cpp_functions(file):
    """Yields the outermost braces that follow a parameter list. Lambdas count with their owner."""
    code = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), file.code)
    head_start, depth, body = 0, 0, None  # body: (depth, start offset, name) of the open function.
    for match in re.finditer(r"[{};]", code):
        at, char = match.start(), match.group()
        if char == "{":
            head = code[head_start:at]
            name = HEAD_NAME.search(head)
            if body is None and name and ")" in head and not NOT_A_FUNCTION.search(head):
                body = (depth, head_start + len(head) - len(head.lstrip()), name.group(1))
            depth += 1
        elif char == "}":
            depth -= 1
            # `a_{1}, b_{2} {`: a member initialiser is not the end of its constructor.
            if body and body[0] == depth and not re.match(r"\s*[,{]", code[at + 1:at + 200]):
                yield line_of(code, body[1]), line_of(code, at), body[2]
                body = None
        if body is None:
            head_start = at + 1


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_headers(file, known):
    if file.suffix not in CPP + (".proto",):
        return
    first = next((line for line in file.lines if line.strip()), "")
    # The header is the contract: a .cc that opens with its own header shares that one's comment.
    twin = file.path[:-len(file.suffix)] + ".h"
    if file.suffix == ".cc" and twin in known and first == f'#include "{twin}"':
        return
    if not first.startswith(("//", "/*")):
        yield 1, "header-comment", "begin with what this file is, and what it is not"
    if file.suffix == ".h" and len(re.findall(r"(?m)^#pragma once$", file.text)) != 1:
        yield 1, "pragma-once", "a header has exactly one #pragma once"


def check_words(file, known):
    if file.suffix in CPP and room_of(file.path):
        for number, line in enumerate(file.lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                yield number, "unfinished", "finish it, or take the note out"


def machine_paths(root):
    """Prefixes that only mean something on the machine of whoever wrote them."""
    common = {"/", "/tmp", "/usr", "/usr/src", "/var", "/opt", "/srv", "/mnt", "/root", "/home"}
    places = [re.escape(str(p)) for p in (root, root.parent) if str(p) not in common]
    return re.compile(r"(?<![\w.$}/-])(" + "|".join(places + [r"/home/\w+", r"/Users/\w+"]) + ")/")


def check_paths(file, pattern):
    if file.suffix not in TEXT:
        return
    for number, line in enumerate(file.lines, 1):
        match = pattern.search(line)
        if match:
            yield number, "machine-path", f"{match.group(1)} exists on one machine only"


LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def markdown_lines(file):
    """Lines outside code fences, with `code spans` removed."""
    fenced = False
    for number, line in enumerate(file.lines, 1):
        if re.match(r"\s*(```|~~~)", line):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r"`[^`]*`", "", line)


def heading_anchors(text):
    anchors, fenced = set(), False
    for line in text.splitlines():
        if re.match(r"\s*(```|~~~)", line):
            fenced = not fenced
        match = None if fenced else re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if match:
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match.group(1)).lower()
            anchors.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return anchors


def check_links(file, root):
    if file.suffix != ".md":
        return
    for number, line in markdown_lines(file):
        for target in LINK.findall(line):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            place = (root / file.path).parent / path if path else root / file.path
            if not place.exists():
                yield number, "link", f"{target} leads nowhere"
            elif anchor and place.suffix == ".md":
                if anchor not in heading_anchors(place.read_text(encoding="utf-8")):
                    yield number, "link", f"{target}: no such heading"


EVENT = re.compile(r'\bFTVM_DIAG\(\s*k(\w+),\s*"([^"]+)"\)([^;]*);')
KEY = re.compile(r'\.kv\(\s*"([^"]+)"')
EVENT_ROW = re.compile(r"^\| `([a-z0-9_.]+)` \| (\w+) \|(.*)\|$", re.M)


def check_events(files):
    """docs/diag.md lists every diagnostic event with its level and keys, and no other."""
    document = next((f for f in files if f.path == "docs/diag.md"), None)
    rows = {m.group(1): m for m in EVENT_ROW.finditer(document.text)} if document else {}
    emitted = set()
    for file in files:
        if file.suffix not in CPP or room_of(file.path) is None:
            continue
        for match in EVENT.finditer(file.no_comments):
            (level, name, rest), line = match.groups(), line_of(file.no_comments, match.start())
            emitted.add(name)
            row = rows.get(name)
            if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", name):
                yield file.path, line, "diag", f"'{name}' is not of the form noun.verb"
            elif document and not row:
                yield file.path, line, "diag", f"'{name}' is not listed in docs/diag.md"
            elif row and row.group(2) != level.lower():
                yield file.path, line, "diag", f"'{name}' is listed as {row.group(2)}"
            for key in KEY.findall(rest) if row else []:
                if f"`{key}`" not in row.group(3):
                    yield file.path, line, "diag", f"key '{key}' of '{name}' is not listed"
    for name, row in rows.items():
        if name not in emitted:
            line = line_of(document.text, row.start())
            yield document.path, line, "diag", f"'{name}' is listed, and nothing emits it"


def check_dead_headers(files):
    """A header nobody includes documents code that does not exist."""
    used = {t for f in files if f.suffix in CPP + (".c",) for _, _, t in includes_of(f)}
    for file in files:
        if file.suffix == ".h" and file.path not in used:
            yield file.path, 1, "dead-file", "no file includes this header"


# ----------------------------------------------------------------------------------------- main

def problems_of(root):
    """All problems of a tree as sorted (path, line, rule, message)."""
    root = Path(root).resolve()
    paths = [p for p in list_files(root) if not is_below(p, BINARY_FOLDERS)]
    files = [File(root, p) for p in paths if Path(p).suffix in TEXT]
    known, foreign = set(paths), machine_paths(root)
    found = []
    for file in files:
        for check in (check_includes, check_banned, check_size, check_functions, check_headers,
                      check_words):
            found += [(file.path, *problem) for problem in check(file, known)]
        found += [(file.path, *problem) for problem in check_paths(file, foreign)]
        found += [(file.path, *problem) for problem in check_links(file, root)]
    found += check_events(files)
    found += check_dead_headers(files)
    return sorted(set(found)), len(files)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    problems, count = problems_of(root)
    for path, line, rule, message in problems:
        print(f"{path}:{line}: {rule}: {message}")
    print(f"tidy: {count} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
