/* version.h - what there is, and whether it can work here. */
#pragma once

#include <rill/text.h>

/* Append the versions of the daemon, of its libraries and of the kernel, and what io_uring says: a name
 * and a version a line. No loop runs. */
void version_text(rill_text *text);
