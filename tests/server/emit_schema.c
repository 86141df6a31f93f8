/* emit_schema.c - writes what the schema table makes: `emit_schema schema|table`, to standard output.
 *
 * For maintenance: deploy/rilld.schema.json is the output of `emit_schema schema`, and a table
 * for readers comes from `emit_schema table`. The tests compare, this program writes. */
#include "server/conf/schema.h"

#include <stdio.h>

int main(int count, char **words)
{
    static char memory[128 << 10];
    rill_text text = { memory, sizeof memory, 0, false };
    if (count == 2 && strcmp(words[1], "schema") == 0)
        conf_emit_schema(&text);
    else if (count == 2 && strcmp(words[1], "table") == 0)
        conf_emit_table(&text);
    if (text.used == 0 || text.full) {
        fprintf(stderr, "usage: emit_schema schema|table\n");
        return 2;
    }
    return fwrite(text.at, 1, text.used, stdout) == text.used ? 0 : 1;
}
