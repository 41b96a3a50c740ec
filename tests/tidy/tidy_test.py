#!/usr/bin/env python3
"""Plants violations in a small tree and sees each one reported."""
import tempfile
import unittest
from pathlib import Path

import tidy

# A tree without any problem. Each test changes a copy of it.
CLEAN = {
    "emulator/base/result.h": "// Result.\n#pragma once\n",
    "emulator/base/result.cc": '#include "emulator/base/result.h"\n',
    "emulator/world.h": '// The seam.\n#pragma once\n#include "emulator/base/result.h"\n',
    "emulator/unicorn/engine.h": "// Engine.\n#pragma once\n#include <unicorn/unicorn.h>\n",
    "emulator/unicorn/engine.cc":
        '// Engine.\n#include "emulator/unicorn/engine.h"\n'
        'extern "C" int clock_gettime(int, void*) { return 0; }\n',
    "devices/uart.h": '// UART.\n#pragma once\n#include "emulator/world.h"\n',
    "devices/uart.cc": '#include "devices/uart.h"\n',
    "replay/journal_codec.cc":
        '// Codec.\n#include "emulator/world.h"\n#include "proto/journal.pb.h"\n',
    "ftcore/protocol/role.h": "// Roles.\n#pragma once\n",
    "ftcore/cli/main.cc":
        '// ftvm.\n#include <CLI/CLI.hpp>\n#include <thread>\n#include "devices/uart.h"\n'
        '#include "ftcore/protocol/role.h"\nint main() { return 0; }\n',
    "tests/unit/devices/uart_test.cc": '// UART.\n#include "devices/uart.h"\n',
    "ftcore/protocol/role.cc":
        '#include "ftcore/protocol/role.h"\n'
        'void f() { FTVM_DIAG(kWarn, "failover.begin").kv("epoch", 1); }\n',
    "docs/diag.md": "# Diagnostics\n\n| event | level | means | keys |\n| --- | --- | --- | --- |\n"
                    "| `failover.begin` | warn | a backup goes live | `epoch` |\n",
    "README.md": "# ftvm\n\nSee [events](docs/diag.md#diagnostics) and [here](#ftvm).\n",
}


class TidyTest(unittest.TestCase):

    def problems(self, changes):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "a" / "tree"
            for path, text in {**CLEAN, **changes}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text.replace("@ROOT@", str(root)), encoding="utf-8")
            return tidy.problems_of(root)[0]

    def assert_found(self, path, line, rule, text):
        """`text` as the content of `path` is reported at `line` by `rule`, and by nothing else."""
        found = [(p, n, r) for p, n, r, _ in self.problems({path: text})]
        self.assertEqual(found, [(path, line, rule)])

    def assert_clean(self, path, text):
        self.assertEqual(self.problems({path: text}), [])

    def test_clean_tree_has_no_problem(self):
        self.assertEqual(self.problems({}), [])

    def test_devices_and_replay_are_siblings(self):
        self.assert_found("replay/x.cc", 2, "include", '// X.\n#include "devices/uart.h"\n')

    def test_lower_room_does_not_include_higher_room(self):
        self.assert_found("emulator/base/x.cc", 2, "include", '// X.\n#include "emulator/world.h"\n')
        self.assert_found("devices/x.cc", 2, "include", '// X.\n#include "ftcore/protocol/role.h"\n')

    def test_nothing_includes_tests(self):
        changes = {"tests/support/a.h": "// A.\n#pragma once\n",
                   "ftcore/cli/x.cc": '// X.\n#include "tests/support/a.h"\n'}
        self.assertEqual([r for _, _, r, _ in self.problems(changes)], ["include"])

    def test_include_must_name_a_file_from_the_root(self):
        self.assert_found("devices/x.cc", 2, "include", '// X.\n#include "uart.h"\n')

    def test_include_in_a_comment_does_not_count(self):
        self.assert_clean("replay/x.cc", '// X.\n// #include "devices/uart.h"\n')

    def test_protobuf_only_in_codecs(self):
        self.assert_found("replay/x.cc", 2, "include", '// X.\n#include "proto/journal.pb.h"\n')
        self.assert_found("devices/x_codec.cc", 2, "include", '// X.\n#include "proto/journal.pb.h"\n')

    def test_libraries_stay_in_their_rooms(self):
        self.assert_found("devices/x.cc", 2, "include", "// X.\n#include <unicorn/unicorn.h>\n")
        self.assert_found("replay/x.cc", 2, "include", "// X.\n#include <zmq.hpp>\n")
        self.assert_clean("ftcore/transport/x.cc", "// X.\n#include <zmq.hpp>\n")

    def test_libraries_are_not_named_in_headers(self):
        changes = {"devices/host/x.h": "// X.\n#pragma once\n#include <zmq.hpp>\n",
                   "devices/host/x.cc": '#include "devices/host/x.h"\n'}
        self.assertEqual([r for _, _, r, _ in self.problems(changes)], ["include"])

    def test_banned_calls(self):
        for rule, line in {
            "host-clock": "auto t = std::chrono::steady_clock::now();",
            "sleep": "usleep(5);",
            "entropy": "std::random_device d;",
            "thread": "std::thread t;",
            "socket": "int s = ::socket(1, 2, 3);",
        }.items():
            with self.subTest(rule):
                self.assert_found("ftcore/protocol/x.cc", 2, rule, f"// X.\n{line}\n")
                self.assert_clean("ftcore/cli/x.cc", f"// X.\n{line}\n")

    def test_more_ways_to_ask_the_host(self):
        for line in ("t = time(nullptr);", "clock_gettime(0, &t);", "x = __rdtsc();", "std::clock();"):
            with self.subTest(line):
                self.assert_found("replay/x.cc", 2, "host-clock", f"// X.\n{line}\n")
        self.assert_found("replay/x.cc", 2, "entropy", '// X.\nopen("/dev/urandom", 0);\n')

    def test_names_that_only_look_banned(self):
        for line in ("machine.time(0);", "guest->socket(1);", "GuestClock& clock();", "Guest::rand();",
                     "std::this_thread::yield();", "// usleep(1)", 'puts("usleep(1)");',
                     "int x = 1'000'000; // rand()", 'auto s = R"(usleep(1))";'):
            with self.subTest(line):
                self.assert_clean("replay/x.cc", f"// X.\n{line}\n")

    def test_unit_tests_do_not_sleep(self):
        self.assert_found("tests/unit/replay/x_test.cc", 2, "sleep", "// X.\nsleep(1);\n")
        self.assert_clean("tests/rig/x_test.cc", "// X.\nsleep(1);\n")

    def test_file_size(self):
        self.assert_clean("replay/x.cc", "// X.\n" * 599)
        self.assert_found("replay/x.cc", 600, "file-size", "// X.\n" * 600)

    def function(self, head, lines):
        return "// X.\n" + head + "\n" + "  a();\n" * (lines - 2) + "}\n"

    def test_function_size(self):
        for head in ("int f(int a) {", "void X::f() const {", "TEST(A, B) {", "struct A g() {",
                     "X::X(int a) : a_{a}, b_{1} {", "bool operator==(A a, B b) {"):
            with self.subTest(head):
                self.assert_clean("replay/x.cc", self.function(head, 70))
                self.assert_found("replay/x.cc", 2, "function-size", self.function(head, 71))

    def test_long_types_and_namespaces_are_no_functions(self):
        for head in ("namespace a {", "class A final : public B {", "template <class T>\nstruct A {"):
            with self.subTest(head):
                self.assert_clean("replay/x.cc", self.function(head, 200))

    def test_python_and_shell_function_size(self):
        self.assert_found("bench/x.py", 1, "function-size", "def f():\n" + "    pass\n" * 70)
        self.assert_found("dev", 1, "function-size", "f() {\n" + "  :\n" * 69 + "}\n")

    def test_header_comment(self):
        self.assert_found("replay/x.cc", 1, "header-comment", "int a;\n")
        self.assert_found("devices/uart.h", 1, "header-comment", "#pragma once\n")
        self.assert_found("proto/x.proto", 1, "header-comment", 'syntax = "proto3";\n')

    def test_pragma_once(self):
        self.assert_found("devices/uart.h", 1, "pragma-once", "// UART.\n")

    def test_unfinished(self):
        self.assert_found("replay/x.cc", 2, "unfinished", "// X.\n// TODO: all of it.\n")

    def test_machine_paths(self):
        self.assert_found("README.md", 2, "machine-path", "# ftvm\nin @ROOT@/devices\n")
        self.assert_found("ftcore/cli/x.cc", 2, "machine-path", '// X.\nputs("/' 'home/eve/x");\n')
        self.assert_clean("README.md", "# ftvm\n`/usr/bin/x`, docs/home/x and /tmp/x\n")

    def test_links(self):
        self.assert_found("README.md", 3, "link", "# A\n\n[x](docs/no.md)\n")
        self.assert_found("README.md", 3, "link", "# A\n\n[x](docs/diag.md#no)\n")
        self.assert_clean("README.md", "# A\n```\n[x](no.md)\n```\n`[x](no.md)` [y](https://x.y/z)\n")

    def test_diag_events_are_listed(self):
        event = '// X.\nvoid f() { FTVM_DIAG(kWarn, "%s"); }\n'
        self.assert_clean("replay/x.cc", event % "failover.begin")
        self.assert_found("replay/x.cc", 2, "diag", event % "failover.unheard")
        self.assert_found("replay/x.cc", 2, "diag", event % "Failover began")

    def test_listed_events_are_emitted_with_that_level_and_those_keys(self):
        event = '// X.\nvoid f() { FTVM_DIAG(%s, "failover.begin")\n  .kv("%s", 1); }\n'
        self.assert_clean("replay/x.cc", event % ("kWarn", "epoch"))
        self.assert_found("replay/x.cc", 2, "diag", event % ("kInfo", "epoch"))
        self.assert_found("replay/x.cc", 2, "diag", event % ("kWarn", "tick"))
        row = "| `failover.begin` | warn | | `epoch` |\n"
        self.assert_clean("docs/diag.md", "# Diagnostics\n" + row)
        self.assert_found("docs/diag.md", 3, "diag",
                          "# Diagnostics\n" + row + "| `failover.end` | info | | |\n")

    def test_dead_header(self):
        self.assert_found("devices/x.h", 1, "dead-file", "// X.\n#pragma once\n")

    def test_a_header_of_a_c_program_is_not_dead(self):
        self.assertEqual(self.problems({"tests/x.h": "// X.\n#pragma once\n",
                                        "tests/x.c": '// X.\n#include "tests/x.h"\n'}), [])


if __name__ == "__main__":
    unittest.main()
