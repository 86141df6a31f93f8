"""compare.py - holds librill against asyncio: the same random programs on both, and their traces side by side.

    compare.py INTERPRETER FIRST LAST       the programs of these seeds
    compare.py INTERPRETER FILE             one program

A difference is shown with the smallest program that still has it.
"""
import os
import subprocess
import sys

import program as language
import reference

INTERPRETER = sys.argv[1]


def run_rill(text):
    launcher = os.environ.get('RILL_RUN', '').split()
    done = subprocess.run(launcher + [INTERPRETER], input=text, capture_output=True, text=True, timeout=60)
    return done.stdout + (f'exit status {done.returncode}\n{done.stderr}' if done.returncode else '')


def traces(program):
    text = str(program)
    return reference.run(language.parse(text)), run_rill(text)


def differ(program):
    try:
        there, here = traces(program)
    except subprocess.TimeoutExpired:
        return True
    return there != here


def smaller(program):
    """Programs with a statement less, or a block's statements without their block."""
    lists = list(program.procs)
    for statements in lists:
        for i in range(len(statements) - 1, -1, -1):
            statement = statements[i]
            for instead in [[], statement.body] if statement.body else [[]]:
                statements[i:i + 1] = instead
                yield
                statements[i:i + len(instead)] = [statement]
            if statement.body:
                lists.append(statement.body)


def shrink(program):
    """The smallest program that one finds by dropping statements; `program` becomes it."""
    going = True
    while going:
        going = False
        for _ in smaller(program):
            if differ(program):
                going = True
                break
    return program


def show(program):
    there, here = (trace.splitlines() for trace in traces(program))
    print(program, end='')
    print(f'\n  {"asyncio":48} librill')
    first = True
    for i in range(max(len(there), len(here))):
        left, right = (trace[i] if i < len(trace) else '' for trace in (there, here))
        mark = ' ' if left == right else '>' if first else '|'
        first = first and left == right
        print(f'{mark} {left:48} {right if mark != " " else ""}'.rstrip())
    print(flush=True)


def main():
    if len(sys.argv) == 3:
        programs = [(sys.argv[2], language.parse(open(sys.argv[2]).read()))]
    else:
        programs = ((f'seed {seed}', language.make(seed)) for seed in range(int(sys.argv[2]), int(sys.argv[3]) + 1))
    count = failed = 0
    for name, program in programs:
        count += 1
        if differ(program):
            failed += 1
            print(f'--- {name} differs; the smallest program that still does:')
            show(shrink(program))
    print(f'{count} programs, {failed} differ')
    return failed > 0


sys.exit(main())
