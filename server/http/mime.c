/* mime.c - the media type of a file, from the last extension of its name.
 *
 * The built-in table is sorted by extension and searched in halves. Types are those of the IANA
 * registry where it has one; text types carry their charset already. */
#include "server/http/mime.h"

#include <errno.h>

#define ROW(extension, type) { { extension, sizeof extension - 1 }, { type, sizeof type - 1 } },

static const struct mime_type table[] = {
    /* clang-format off */
    ROW("7z", "application/x-7z-compressed")
    ROW("aac", "audio/aac")
    ROW("apng", "image/apng")
    ROW("asc", "text/plain; charset=utf-8")
    ROW("atom", "application/atom+xml")
    ROW("avi", "video/x-msvideo")
    ROW("avif", "image/avif")
    ROW("bin", "application/octet-stream")
    ROW("bmp", "image/bmp")
    ROW("br", "application/octet-stream")
    ROW("bz2", "application/x-bzip2")
    ROW("c", "text/plain; charset=utf-8")
    ROW("cc", "text/plain; charset=utf-8")
    ROW("conf", "text/plain; charset=utf-8")
    ROW("cpp", "text/plain; charset=utf-8")
    ROW("css", "text/css; charset=utf-8")
    ROW("csv", "text/csv; charset=utf-8")
    ROW("deb", "application/vnd.debian.binary-package")
    ROW("doc", "application/msword")
    ROW("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
    ROW("eot", "application/vnd.ms-fontobject")
    ROW("epub", "application/epub+zip")
    ROW("flac", "audio/flac")
    ROW("geojson", "application/geo+json")
    ROW("gif", "image/gif")
    ROW("gz", "application/gzip")
    ROW("h", "text/plain; charset=utf-8")
    ROW("htm", "text/html; charset=utf-8")
    ROW("html", "text/html; charset=utf-8")
    ROW("ico", "image/vnd.microsoft.icon")
    ROW("ics", "text/calendar; charset=utf-8")
    ROW("ini", "text/plain; charset=utf-8")
    ROW("iso", "application/octet-stream")
    ROW("jar", "application/java-archive")
    ROW("jpeg", "image/jpeg")
    ROW("jpg", "image/jpeg")
    ROW("js", "text/javascript; charset=utf-8")
    ROW("json", "application/json")
    ROW("jsonld", "application/ld+json")
    ROW("jxl", "image/jxl")
    ROW("log", "text/plain; charset=utf-8")
    ROW("m3u8", "application/vnd.apple.mpegurl")
    ROW("m4a", "audio/mp4")
    ROW("m4v", "video/mp4")
    ROW("map", "application/json")
    ROW("md", "text/markdown; charset=utf-8")
    ROW("mid", "audio/midi")
    ROW("midi", "audio/midi")
    ROW("mjs", "text/javascript; charset=utf-8")
    ROW("mkv", "video/x-matroska")
    ROW("mov", "video/quicktime")
    ROW("mp3", "audio/mpeg")
    ROW("mp4", "video/mp4")
    ROW("mpeg", "video/mpeg")
    ROW("mpg", "video/mpeg")
    ROW("odp", "application/vnd.oasis.opendocument.presentation")
    ROW("ods", "application/vnd.oasis.opendocument.spreadsheet")
    ROW("odt", "application/vnd.oasis.opendocument.text")
    ROW("oga", "audio/ogg")
    ROW("ogg", "audio/ogg")
    ROW("ogv", "video/ogg")
    ROW("opus", "audio/ogg")
    ROW("otf", "font/otf")
    ROW("patch", "text/plain; charset=utf-8")
    ROW("pdf", "application/pdf")
    ROW("pem", "application/x-pem-file")
    ROW("png", "image/png")
    ROW("ppt", "application/vnd.ms-powerpoint")
    ROW("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation")
    ROW("ps", "application/postscript")
    ROW("py", "text/plain; charset=utf-8")
    ROW("rar", "application/vnd.rar")
    ROW("rpm", "application/x-rpm")
    ROW("rss", "application/rss+xml")
    ROW("rst", "text/plain; charset=utf-8")
    ROW("rtf", "application/rtf")
    ROW("sh", "text/plain; charset=utf-8")
    ROW("svg", "image/svg+xml")
    ROW("svgz", "image/svg+xml")
    ROW("tar", "application/x-tar")
    ROW("text", "text/plain; charset=utf-8")
    ROW("tgz", "application/gzip")
    ROW("tif", "image/tiff")
    ROW("tiff", "image/tiff")
    ROW("toml", "application/toml")
    ROW("ts", "video/mp2t")
    ROW("tsv", "text/tab-separated-values; charset=utf-8")
    ROW("ttf", "font/ttf")
    ROW("txt", "text/plain; charset=utf-8")
    ROW("vtt", "text/vtt; charset=utf-8")
    ROW("wasm", "application/wasm")
    ROW("wav", "audio/wav")
    ROW("weba", "audio/webm")
    ROW("webm", "video/webm")
    ROW("webmanifest", "application/manifest+json")
    ROW("webp", "image/webp")
    ROW("woff", "font/woff")
    ROW("woff2", "font/woff2")
    ROW("xhtml", "application/xhtml+xml")
    ROW("xls", "application/vnd.ms-excel")
    ROW("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    ROW("xml", "application/xml")
    ROW("xz", "application/x-xz")
    ROW("yaml", "application/yaml")
    ROW("yml", "application/yaml")
    ROW("zip", "application/zip")
    ROW("zst", "application/zstd")
    /* clang-format on */
};

enum { table_count = sizeof table / sizeof *table, extension_max = 16 };

const struct mime_type *mime_builtin(size_t *ret_count)
{
    *ret_count = table_count;
    return table;
}

/* What follows the last dot of the last segment; empty if there is none, or nothing before it. */
static rill_span extension_of(rill_span name)
{
    size_t at = name.size;
    while (at > 0 && name.at[at - 1] != '.' && name.at[at - 1] != '/')
        at--;
    if (at < 2 || name.at[at - 1] != '.' || name.at[at - 2] == '/')
        return (rill_span){ NULL, 0 };
    return (rill_span){ name.at + at, name.size - at };
}

static int compare(rill_span a, rill_span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.at, b.at, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static const struct mime_type *table_find(rill_span extension)
{
    char lower[extension_max];
    size_t low = 0, high = table_count;
    if (extension.size == 0 || extension.size > sizeof lower)
        return NULL;
    for (size_t i = 0; i < extension.size; i++) {
        char c = extension.at[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare((rill_span){ lower, extension.size }, table[middle].extension);
        if (order == 0)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

rill_span mime_find(rill_span name, const struct mime_types *own)
{
    rill_span extension = extension_of(name);
    if (extension.size > 0 && own != NULL)
        for (size_t i = 0; i < own->count; i++)
            if (rill_span_equal_nocase(extension, own->at[i].extension))
                return own->at[i].type;
    const struct mime_type *found = table_find(extension);
    return found != NULL ? found->type : RILL_SPAN("application/octet-stream");
}

int mime_complete(rill_arena *arena, rill_span type, rill_span *ret_type)
{
    rill_span text = RILL_SPAN("text/"), charset = RILL_SPAN("; charset=utf-8");
    if (type.size < text.size || memchr(type.at, ';', type.size) != NULL ||
        !rill_span_equal_nocase((rill_span){ type.at, text.size }, text)) {
        *ret_type = type;
        return 0;
    }
    char *whole = rill_arena_alloc(arena, type.size + charset.size);
    if (whole == NULL)
        return -ENOMEM;
    memcpy(whole, type.at, type.size);
    memcpy(whole + type.size, charset.at, charset.size);
    *ret_type = (rill_span){ whole, type.size + charset.size };
    return 0;
}
