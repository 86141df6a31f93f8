/* decode.c - compressed bodies made plain, piece by piece: gzip, deflate, br, zstd.
 *
 * One step of a library per call, between the stream's buffer and the reader's: nothing is kept here but the
 * libraries' windows, of 32 KiB, 16 MiB and 8 MiB at most. A bomb costs its reader time, not memory, and
 * the bound of growth cuts that, too. Octets behind the end of the coding are left out, as browsers and
 * curl do; but several members of gzip are one body (RFC 1952, 2.2). */
#include "core/client/decode.h"

#include <rill/mem.h>

#include <errno.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    growth_free = 1 << 20, /* octets of which the growth does not count */
    zstd_window_log = 23   /* RFC 9659: 8 MiB over HTTP */
};

struct rill__decoder {
    /* `*in` loses what is taken, `*size` octets at `out` become those that are written. */
    int (*step)(struct rill__decoder *decoder, rill_span *in, char *out, size_t *size);
    uint64_t taken, given;
    unsigned growth;
    bool begun;
    bool ended;  /* the coding says that this is all */
    bool single; /* and then it is, whatever stands behind it */

    enum { ZLIB, BROTLI, ZSTD } kind;

    union {
        z_stream zlib;
        BrotliDecoderState *brotli;
        ZSTD_DStream *zstd;
    };
};

/* --- gzip and deflate. --- */

static void *zlib_alloc(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return rill_alloc_zero(count, size);
}

static void zlib_free(void *opaque, void *memory)
{
    (void)opaque;
    rill_free(memory);
}

static int open_zlib(struct rill__decoder *decoder, int window)
{
    decoder->kind = ZLIB;
    decoder->zlib = (z_stream){ .zalloc = zlib_alloc, .zfree = zlib_free };
    return inflateInit2(&decoder->zlib, window) == Z_OK ? 0 : -ENOMEM;
}

static int inflate_some(struct rill__decoder *decoder, rill_span *in, char *out, size_t *size)
{
    z_stream *zlib = &decoder->zlib;
    unsigned give = in->size < UINT32_MAX ? (unsigned)in->size : UINT32_MAX;
    unsigned room = *size < INT32_MAX ? (unsigned)*size : INT32_MAX;
    zlib->next_in = (z_const Bytef *)(uintptr_t)in->at;
    zlib->avail_in = give;
    zlib->next_out = (Bytef *)out;
    zlib->avail_out = room;
    int r = inflate(zlib, Z_SYNC_FLUSH);
    *in = (rill_span){ in->at + (give - zlib->avail_in), in->size - (give - zlib->avail_in) };
    *size = room - zlib->avail_out;
    decoder->ended = r == Z_STREAM_END;
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? 0 : -EPROTO;
}

static int step_gzip(struct rill__decoder *decoder, rill_span *in, char *out, size_t *size)
{
    if (decoder->ended) {
        if (in->size == 0 || in->at[0] != '\x1f') {
            *in = (rill_span){ in->at + in->size, 0 };
            *size = 0;
            return 0;
        }
        if (inflateReset(&decoder->zlib) != Z_OK) /* another member */
            return -EPROTO;
    }
    return inflate_some(decoder, in, out, size);
}

/* `deflate` is the zlib format (RFC 9110, 8.4.1.2), but some servers send it without its head. */
static int step_deflate(struct rill__decoder *decoder, rill_span *in, char *out, size_t *size)
{
    if (!decoder->begun && in->size > 0 && (in->at[0] & 0x0f) != Z_DEFLATED &&
        inflateReset2(&decoder->zlib, -MAX_WBITS) != Z_OK)
        return -ENOMEM;
    return inflate_some(decoder, in, out, size);
}

/* --- br and zstd. --- */

static void *brotli_alloc(void *opaque, size_t size)
{
    (void)opaque;
    return rill_alloc(size);
}

static void brotli_free(void *opaque, void *memory)
{
    (void)opaque;
    rill_free(memory);
}

static int open_brotli(struct rill__decoder *decoder)
{
    decoder->kind = BROTLI;
    decoder->brotli = BrotliDecoderCreateInstance(brotli_alloc, brotli_free, NULL);
    return decoder->brotli != NULL ? 0 : -ENOMEM;
}

static int step_brotli(struct rill__decoder *decoder, rill_span *in, char *out, size_t *size)
{
    const uint8_t *next_in = (const uint8_t *)in->at;
    uint8_t *next_out = (uint8_t *)out;
    size_t room = *size;
    BrotliDecoderResult r =
        BrotliDecoderDecompressStream(decoder->brotli, &in->size, &next_in, &room, &next_out, NULL);
    in->at = (const char *)next_in;
    *size -= room;
    decoder->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
    if (r != BROTLI_DECODER_RESULT_ERROR)
        return 0;
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(decoder->brotli);
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                   code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
               ? -ENOMEM
               : -EPROTO;
}

static int open_zstd(struct rill__decoder *decoder)
{
    decoder->kind = ZSTD;
    decoder->zstd = ZSTD_createDStream();
    if (decoder->zstd == NULL)
        return -ENOMEM;
    ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, zstd_window_log);
    return 0;
}

static int step_zstd(struct rill__decoder *decoder, rill_span *in, char *out, size_t *size)
{
    ZSTD_inBuffer input = { in->at, in->size, 0 };
    ZSTD_outBuffer output = { out, *size, 0 };
    size_t r = ZSTD_decompressStream(decoder->zstd, &output, &input);
    *in = (rill_span){ in->at + input.pos, in->size - input.pos };
    *size = output.pos;
    if (ZSTD_isError(r))
        return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? -ENOMEM : -EPROTO;
    decoder->ended = r == 0; /* of a frame; another one may follow */
    return 0;
}

/* --- All of them. --- */

static int open_decoder(struct rill__decoder *decoder, rill_span coding)
{
    if (rill_span_equal_nocase(coding, RILL_SPAN("gzip")) ||
        rill_span_equal_nocase(coding, RILL_SPAN("x-gzip"))) {
        decoder->step = step_gzip;
        return open_zlib(decoder, MAX_WBITS + 16);
    }
    if (rill_span_equal_nocase(coding, RILL_SPAN("deflate"))) {
        decoder->step = step_deflate;
        decoder->single = true;
        return open_zlib(decoder, MAX_WBITS);
    }
    if (rill_span_equal_nocase(coding, RILL_SPAN("br"))) {
        decoder->step = step_brotli;
        decoder->single = true;
        return open_brotli(decoder);
    }
    if (rill_span_equal_nocase(coding, RILL_SPAN("zstd"))) {
        decoder->step = step_zstd;
        return open_zstd(decoder);
    }
    return -ENOENT;
}

int rill__decoder_new(rill_span coding, unsigned growth, struct rill__decoder **ret_decoder)
{
    if (coding.size == 0 || rill_span_equal_nocase(coding, RILL_SPAN("identity"))) {
        *ret_decoder = NULL;
        return 0;
    }
    struct rill__decoder *decoder = rill_alloc_zero(1, sizeof *decoder);
    if (decoder == NULL)
        return -ENOMEM;
    decoder->growth = growth;
    int r = open_decoder(decoder, coding);
    if (r == 0) {
        *ret_decoder = decoder;
        return 0;
    }
    rill_free(decoder);
    if (r == -ENOENT)
        *ret_decoder = NULL;
    return r == -ENOENT ? 0 : r;
}

static bool grows_too_much(const struct rill__decoder *decoder)
{
    return decoder->given > growth_free && decoder->given / decoder->growth > decoder->taken;
}

int rill__decode(struct rill__decoder *decoder, rill_span in, size_t *ret_used, void *buf,
                 size_t size)
{
    size_t all = in.size, got = size < INT32_MAX ? size : INT32_MAX;
    if (in.at == NULL)
        in.at = "";
    *ret_used = 0;
    if (in.size == 0 && (!decoder->begun || decoder->ended))
        return 0;
    if (decoder->ended && decoder->single) {
        *ret_used = all;
        return 0;
    }
    int r = decoder->step(decoder, &in, buf, &got);
    decoder->begun = true;
    *ret_used = all - in.size;
    if (r < 0)
        return r;
    decoder->taken += all - in.size;
    decoder->given += got;
    return grows_too_much(decoder) ? -EMSGSIZE : (int)got;
}

bool rill__decoder_is_whole(const struct rill__decoder *decoder)
{
    return !decoder->begun || decoder->ended;
}

void rill__decoder_free(struct rill__decoder *decoder)
{
    if (decoder == NULL)
        return;
    switch (decoder->kind) {
    case ZLIB: inflateEnd(&decoder->zlib); break;
    case BROTLI: BrotliDecoderDestroyInstance(decoder->brotli); break;
    case ZSTD: ZSTD_freeDStream(decoder->zstd); break;
    }
    rill_free(decoder);
}

void rill__decoder_add_versions(rill_text *text)
{
    uint32_t brotli = BrotliDecoderVersion(); /* 0x1000009 is 1.0.9 */
    rill_text_fmt(text, "zlib %s\nbrotli %u.%u.%u\nzstd %s\n", zlibVersion(), brotli >> 24,
                  brotli >> 12 & 0xfff, brotli & 0xfff, ZSTD_versionString());
}
