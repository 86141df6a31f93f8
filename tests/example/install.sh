#!/bin/sh
# install.sh - an installed librill is found by pkg-config, compiled against and linked: the program of
# README.md, and those of the essay in rill.h, which print what the essay says.
#   install.sh CMAKE BUILD-FOLDER COMPILER
set -eu
cmake=$1 build=$2 compiler=$3
examples=${0%/*}
command -v pkg-config >/dev/null || { echo "pkg-config is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/prefix" >"$work/log"
file=$(find "$work/prefix" -name rill.pc)
PKG_CONFIG_PATH=${file%/*}
export PKG_CONFIG_PATH
awk -f "$examples/tutorial.awk" -v folder="$work" "$work/prefix/include/rill.h"
cp "$examples/readme.c" "$work"
cd "$work"
for program in *.c; do
    name=${program%.c}
    # Both lists are words for the compiler. Optimised, it would warn of our code if it saw that, too.
    "$compiler" -O1 -Wall -Wextra -Werror -o "$name" "$program" $(pkg-config --cflags --libs rill) || {
        echo "program $name of rill.h does not compile"
        exit 1
    }
    "./$name" >"$name.out"
    [ "$name" = readme ] || diff -u "$name.wanted" "$name.out"
done
[ -f 9.out ] || { echo "the programs of rill.h were not found"; exit 1; }
