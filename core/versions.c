/* versions.c - the versions of the libraries that librill uses, each told by the file that knows it.
 *
 * Apart from everything else, so that a static link without this needs none of them for it. */
#include "core/base/mem.h"
#include "core/client/decode.h"
#include "core/dns/question.h"
#include "core/tls/tls.h"

#include <pthread.h>

static char versions[256];

static void ask_all(void)
{
    rill_text text = { versions, sizeof versions, 0, false };
    rill_text_fmt(&text, "liburing %s\n", RILL_LIBURING_VERSION);
    rill__mem_add_version(&text);
    rill_text_fmt(&text, "c-ares %s\nOpenSSL %s\n", rill__dns_version(), rill__tls_version());
    rill__decoder_add_versions(&text);
    rill_text_end(&text);
}

const char *rill_library_versions(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_all);
    return versions;
}
