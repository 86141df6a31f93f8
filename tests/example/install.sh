#!/bin/sh
# install.sh - an installed librill is found by pkg-config, compiled against and linked.
#   install.sh CMAKE BUILD-FOLDER COMPILER
set -eu
cmake=$1 build=$2 compiler=$3
command -v pkg-config >/dev/null || { echo "pkg-config is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/prefix" >"$work/log"
file=$(find "$work/prefix" -name rill.pc)
PKG_CONFIG_PATH=${file%/*}
export PKG_CONFIG_PATH
# Both lists are words for the compiler.
"$compiler" -Wall -Werror -o "$work/readme" "${0%/*}/readme.c" $(pkg-config --cflags --libs rill)
"$work/readme"
