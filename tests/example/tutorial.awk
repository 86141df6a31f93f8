# tutorial.awk - the programs of the essay in rill.h, each to a file of its own, and what they print.
#   awk -f tutorial.awk -v folder=DIR include/rill.h
# A program begins with its include of rill.h and ends with main; the lines "-> text" behind it are its output.
/^ \*     #include <rill.h>$/ { number++; inside = 1; ending = 0 }
inside {
    line = substr($0, 8)
    print line > folder "/" number ".c"
    if (line ~ /^int main\(/)
        ending = 1
    if (ending && line == "}")
        inside = 0
    next
}
/^ \*     -> / { print substr($0, 11) > folder "/" number ".wanted" }
/^#pragma once/ { exit }
