/* symbols.c - the names of functions of this process, read from the symbol tables of its files.
 *
 * The dynamic linker knows only functions that are exported, and most of a program's are not. Their names are in
 * the program's file, unless it was stripped: that is mapped, looked through, and unmapped again. What
 * the file says is checked against its size, since it may be another one by now. */
#include "core/base/symbols.h"

#include <rill/text.h>

#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { here_most = 32 };

static const char program[] = "/proc/self/exe";

/* A program or library, and where it is loaded. */
struct object {
    uintptr_t address; /* in it */
    uintptr_t bias;
    char name[256];   /* of its file */
    const char *file; /* mapped; NULL: it cannot be */
    size_t size;
};

/* A function, or nothing. */
struct symbol {
    const char *name; /* NULL: there is none */
    uint64_t at;
};

/* --- Which object. --- */

static bool covers(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && address - info->dlpi_addr - part->p_vaddr < part->p_memsz)
            return true;
    }
    return false;
}

static int take_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object *object = arg;
    (void)size;
    if (!covers(info, object->address))
        return 0;
    const char *name = info->dlpi_name[0] != 0 ? info->dlpi_name : program;
    rill_text text = { object->name, sizeof object->name, 0, false };
    rill_text_add(&text, rill_span_of(name));
    rill_text_end(&text);
    object->bias = info->dlpi_addr;
    return 1;
}

static void map_file(struct object *object)
{
    struct stat status;
    int fd = open(object->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && (size_t)status.st_size >= sizeof(Elf64_Ehdr)) {
        object->size = (size_t)status.st_size;
        void *file = mmap(NULL, object->size, PROT_READ, MAP_PRIVATE, fd, 0);
        object->file = file != MAP_FAILED ? file : NULL;
    }
    close(fd);
}

static void close_object(struct object *object)
{
    if (object->file != NULL)
        munmap((void *)(uintptr_t)object->file, object->size);
    *object = (struct object){ 0 };
}

/* Find the object that `address` is in, which may be the same as before. */
static void open_object(struct object *object, uintptr_t address)
{
    struct object next = { .address = address };
    if (dl_iterate_phdr(take_object, &next) == 0) {
        close_object(object);
        return;
    }
    if (object->name[0] != 0 && next.bias == object->bias)
        return;
    close_object(object);
    *object = next;
    map_file(object);
}

/* --- Which function. --- */

/* What lies at `offset` of the file, if all of it is in there. */
static const void *part_of(const struct object *object, uint64_t offset, uint64_t size)
{
    return offset <= object->size && size <= object->size - offset ? object->file + offset : NULL;
}

/* The function at `address` (as the file has it) in the table `section`, whose names are in `names`. */
static struct symbol look_through(const struct object *object, const Elf64_Shdr *section,
                                  const Elf64_Shdr *names, uint64_t address)
{
    const Elf64_Sym *symbols = part_of(object, section->sh_offset, section->sh_size);
    const char *texts = part_of(object, names->sh_offset, names->sh_size);
    struct symbol found = { 0 };
    if (symbols == NULL || texts == NULL || names->sh_size == 0 || texts[names->sh_size - 1] != 0)
        return found;
    for (size_t i = 0; i < section->sh_size / sizeof *symbols; i++) {
        const Elf64_Sym *symbol = &symbols[i];
        if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
            address - symbol->st_value >= symbol->st_size || symbol->st_name >= names->sh_size)
            continue;
        found = (struct symbol){ texts + symbol->st_name, symbol->st_value };
    }
    return found;
}

static struct symbol find_symbol(const struct object *object, uint64_t address)
{
    static const uint32_t kinds[] = { SHT_SYMTAB, SHT_DYNSYM }; /* the first one has all */
    const Elf64_Ehdr *head = (const void *)object->file;
    struct symbol found = { 0 };
    if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof(Elf64_Shdr))
        return found;
    const Elf64_Shdr *sections =
        part_of(object, head->e_shoff, (uint64_t)head->e_shnum * sizeof *sections);
    for (size_t kind = 0; sections != NULL && kind < 2; kind++)
        for (size_t i = 0; i < head->e_shnum && found.name == NULL; i++)
            if (sections[i].sh_type == kinds[kind] && sections[i].sh_link < head->e_shnum)
                found = look_through(object, &sections[i], &sections[sections[i].sh_link], address);
    return found;
}

/* --- Lines. --- */

/* Append where `address` lies, in the function that `inside` belongs to. */
static void add_place(rill_text *text, struct object *object, uintptr_t address, uintptr_t inside)
{
    char path[256];
    open_object(object, inside);
    struct symbol symbol = find_symbol(object, inside - object->bias);
    bool is_program = strcmp(object->name, program) == 0;
    ssize_t size = is_program ? readlink(program, path, sizeof path) : 0;
    if (symbol.name != NULL) {
        size_t length = strcspn(symbol.name, "."); /* behind it the compiler notes what it did */
        rill_text_add(text, (rill_span){ symbol.name, length < 256 ? length : 256 });
        rill_text_add(text, RILL_SPAN("+0x"));
        rill_text_hex(text, address - object->bias - symbol.at, 0);
        rill_text_char(text, ' ');
    }
    rill_text_add(text, RILL_SPAN("in "));
    if (size > 0)
        rill_text_add(text, (rill_span){ path, (size_t)size });
    else
        rill_text_add(text, rill_span_of(object->name[0] != 0 ? object->name : "no file"));
    rill_text_add(text, RILL_SPAN("+0x"));
    rill_text_hex(text, address - object->bias, 0);
}

static void write_line(struct object *object, uintptr_t address, int fd)
{
    char memory[640];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_add(&text, RILL_SPAN("  "));
    add_place(&text, object, address, address - 1); /* of the call, not behind it */
    rill_text_add(&text, RILL_SPAN(" [0x"));
    rill_text_hex(&text, address, 0);
    rill_text_add(&text, RILL_SPAN("]\n"));
    (void)!write(fd, memory, text.used);
}

void rill__symbols_add(rill_text *text, const void *function)
{
    struct object object = { 0 };
    add_place(text, &object, (uintptr_t)function, (uintptr_t)function);
    close_object(&object);
}

void rill__symbols_write(void *const frames[], int count, int fd)
{
    struct object object = { 0 };
    for (int i = 0; i < count; i++)
        write_line(&object, (uintptr_t)frames[i], fd);
    close_object(&object);
}

void rill__symbols_write_here(int fd)
{
    void *frames[here_most];
    rill__symbols_write(frames, backtrace(frames, here_most), fd);
}
