/* program.c - a program of the differential test, read into memory. See program.h.
 *
 * The text is trusted: program.py made it. Blocks are as deep as they are. */
#include "tests/differential/program.h"

#include <rill/mem.h>

#include <string.h>

int number(const char *word)
{
    int value = 0;
    return sscanf(word, "%d", &value) == 1 ? value : 0;
}

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *memory = rill_alloc(size);
    return memory != NULL ? memcpy(memory, text, size) : NULL;
}

/* A line, or NULL at the end of the text. */
static char *next_line(FILE *from)
{
    char line[512];
    if (fgets(line, sizeof line, from) == NULL)
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return copy(line + strspn(line, " "));
}

static void split(char *text, char **word)
{
    int count = 0;
    for (char *at; count < WORDS_MAX && (at = strsep(&text, " ")) != NULL; count++)
        word[count] = at;
    word[count] = NULL;
}

static struct statement *statement_new(char *line)
{
    struct statement *statement = rill_alloc_zero(1, sizeof *statement);
    if (statement == NULL)
        return NULL;
    statement->attempt = strncmp(line, "try ", 4) == 0;
    statement->text = line + (statement->attempt ? 4 : 0);
    split(copy(statement->text), statement->word);
    return statement;
}

static bool is_block(const char *verb)
{
    return strcmp(verb, "scope") == 0 || strcmp(verb, "limit") == 0 || strcmp(verb, "group") == 0;
}

/* Statements until the end of their block; `ret_line` is what ended it, or NULL. */
static struct statement *read_block(FILE *from, char **ret_line)
{
    struct statement *first = NULL, **at = &first;
    char *line;
    while ((line = next_line(from)) != NULL && strcmp(line, "end") != 0 &&
           strcmp(line, "proc") != 0) {
        struct statement *statement = statement_new(line);
        if (statement == NULL)
            break;
        if (is_block(statement->word[0]))
            statement->body = read_block(from, &line);
        *at = statement;
        at = &statement->next;
    }
    *ret_line = line;
    return first;
}

static bool read_head(struct program *program, const char *line)
{
    int value;
    char order[16]; /* or whether it is bounded */
    if (sscanf(line, "tops %d", &program->tops) == 1 ||
        sscanf(line, "futures %d", &program->futures) == 1 ||
        sscanf(line, "parties %d", &program->parties) == 1)
        return true;
    if (sscanf(line, "permits %d %15s", &program->permits, order) == 2) {
        program->bounded = order[0] == 'b';
        return true;
    }
    if (sscanf(line, "eager %d", &value) == 1) {
        program->eager = value != 0;
        return true;
    }
    if (program->queues == 2 || sscanf(line, "queue %d %15s", &value, order) != 2)
        return false;
    program->queue[program->queues].size = (size_t)value;
    program->queue[program->queues++].order = order[0];
    return true;
}

int program_read(FILE *from, struct program *ret_program)
{
    struct program program = { .tops = 0 };
    char *line = next_line(from);
    while (line != NULL && strcmp(line, "proc") != 0) {
        if (!read_head(&program, line))
            return -1;
        line = next_line(from);
    }
    while (line != NULL && program.procs_count < PROCS_MAX)
        program.procs[program.procs_count++] = read_block(from, &line);
    *ret_program = program;
    return program.procs_count >= program.tops ? 0 : -1;
}
